/** Debian's clients of other languages, as programs. Where one is not installed, its tests are skipped. */

import { ROOT } from "../../../tools/launch.ts";
import { broker } from "../broker.ts";

const FOLDER = `${ROOT}tests/support/interop/`;
const LIMIT_MS = 60_000;

/** A message as a peer has read it. */
export interface Seen {
  readonly headers: Record<string, unknown>;
  readonly properties: Record<string, unknown>;
  readonly body?: number[];
}

/** Runs a program, and returns what it has printed. */
export async function run(
  program: string,
  args: readonly string[],
  input = "",
): Promise<string> {
  const child = new Deno.Command(program, {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(LIMIT_MS),
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input)).catch(() => {}); // It may have ended.
  await writer.close().catch(() => {});
  const { success, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`${program} ${args[0]} failed: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

async function works(program: string, ...args: string[]): Promise<boolean> {
  try {
    await run(program, args);
    return true;
  } catch {
    return false;
  }
}

/** Whether they are installed (python3-pika, python3-kombu, amqp-tools). */
export const installed = {
  pika: await works("/usr/bin/python3", "-c", "import pika"),
  kombu: await works("/usr/bin/python3", "-c", "import kombu, amqp"),
  amqpTools: await works("amqp-publish", "--help"),
};

/** A client in Python. */
export type Peer = "pika" | "kombu";

/** Lets a peer take messages out of a queue. */
export async function receiveWith(peer: Peer, queue: string, count: number): Promise<Seen[]> {
  const script = `${FOLDER}${peer}_client.py`;
  const args = [script, broker.url, "receive", queue, `${count}`];
  const printed = await run("/usr/bin/python3", args);
  return printed.trim().split("\n").map((line) => JSON.parse(line));
}

/** Lets a peer send what it sends. */
export async function sendWith(peer: Peer, queue: string, input: unknown = []): Promise<void> {
  const script = `${FOLDER}${peer}_client.py`;
  await run("/usr/bin/python3", [script, broker.url, "send", queue], JSON.stringify(input));
}
