/**
 * Runs a program that must not outlive us. Its supervisor, a shell, holds the other end of a pipe: whatever happens to
 * this process, even a SIGKILL, the pipe closes, and the supervisor ends the program.
 */

const SUPERVISOR = `
grace=$1 lease=$2 folder=$3; shift 3
[ -z "$lease" ] || : >"$lease"
exec 3<&0
"$@" </dev/null 3<&- >/dev/null 2>&1 &
program=$!
echo "$program"
{
  read -r ignored <&3
  kill -TERM "$program" 2>/dev/null
  while [ "$grace" -gt 0 ] && kill -0 "$program" 2>/dev/null; do
    sleep 0.1
    grace=$((grace - 1))
  done
  kill -KILL "$program" 2>/dev/null
} >/dev/null 2>&1 &
watch=$!
trap '' INT HUP TERM
wait "$program"
code=$?
kill -TERM "$watch" 2>/dev/null
[ -z "$lease" ] || rm -f "$lease"
if [ -n "$folder" ]; then
  left=300
  while [ "$left" -gt 0 ] && ls "$folder"/*/running >/dev/null 2>&1; do
    sleep 0.1
    left=$((left - 1))
  done
  rm -rf "$folder"
fi
exit "$code"
`;

export interface SuperviseOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** How long it may take to end when it is asked to, before it is killed. */
  readonly graceMs?: number;
  /** A file that exists while the program runs. */
  readonly lease?: string;
  /** A folder to remove when the program has ended, and with it every program whose lease is `running` in there. */
  readonly folder?: string;
}

/** A program that runs as long as we do, at most. */
export interface Supervised {
  readonly pid: number;
  /** Resolves with the exit code once it has ended. */
  readonly ended: Promise<number>;
  /** Asks it to end, and waits until it has. */
  stop(): Promise<void>;
}

/** In a session of its own, so that Ctrl-C in a terminal reaches us only, and we end it in good order. */
const SHELL = Deno.build.os === "linux" ? ["setsid", "sh"] : ["sh"];

/** Starts a program under a supervisor. */
export async function supervise(
  line: readonly string[],
  options: SuperviseOptions = {},
): Promise<Supervised> {
  const { environment, graceMs = 15_000, lease = "", folder = "" } = options;
  const [program, ...args] = SHELL;
  const tenths = String(Math.ceil(graceMs / 100));
  const shell = new Deno.Command(program, {
    args: [...args, "-c", SUPERVISOR, "supervisor", tenths, lease, folder, ...line],
    env: environment,
    clearEnv: environment !== undefined,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const pid = Number(await firstLine(shell.stdout));
  const ended = shell.status.then(({ code }) => code);
  let closing: Promise<void> | undefined;
  const closePipe = () => closing ??= shell.stdin.close().catch(() => {});
  ended.then(closePipe);
  return {
    pid,
    ended,
    stop: async () => {
      await closePipe();
      await ended;
    },
  };
}

async function firstLine(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  let text = "";
  for await (const part of stream.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (text.includes("\n")) break;
  }
  return text.trim();
}
