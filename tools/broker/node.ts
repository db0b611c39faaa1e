import { delay } from "@std/async/delay";
import { guestAt } from "./address.ts";
import { type Cell, createCell } from "./cell.ts";
import { succeeds } from "./command.ts";
import { controls } from "./control.ts";
import { freePort, loopbacks } from "./ports.ts";
import { greetIfThere } from "./probe.ts";
import { inside, type Server } from "./server.ts";
import { supervise, type Supervised } from "./supervise.ts";
import type { Broker, Control } from "./types.ts";

/** A private broker of which everything can be had: its process, its files, its data. */
export interface Node extends Broker, AsyncDisposable {
  /** `rabbit-` with a word that its cluster shares and a number, at localhost. */
  readonly name: string;
  /** Its own folder: `rabbitmq.conf`, `log`, `data`, and the files that were asked for. */
  readonly folder: string;
  readonly server: Server;
  readonly control: Control;
  ctl(...args: string[]): Promise<string>;
  evaluate(expression: string): Promise<string>;
  /** The process id while it runs. */
  readonly pid: number | undefined;
  /** Ends the process with a signal (`SIGKILL` is a crash) and waits until it has ended. Its data stay. */
  kill(signal?: Deno.Signal): Promise<void>;
  /** Freezes the process (`SIGSTOP`), as a machine that hangs, or lets it go on. */
  pause(): void;
  resume(): void;
  /** Starts it again, on the same port, with the same data. */
  start(): Promise<void>;
}

export interface NodeOptions {
  /** What to start it from. */
  readonly server: Server;
  /** The port that it should have, if that is free. By default any free one. */
  readonly preferPort?: number;
  /** Further lines of `rabbitmq.conf`; each takes the place of a default with the same key. */
  readonly config?: readonly string[] | ((folder: string) => readonly string[]);
  /** Plugins to enable, such as `rabbitmq_management`. */
  readonly plugins?: readonly string[];
  /** Files to put into its folder, for example certificates. */
  readonly files?: Readonly<Record<string, string>>;
  /** Further variables of its environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /** A node whose cookie and port mapper it shares, so that both can form a cluster. */
  readonly peer?: Node;
  /** How long it may take until it answers. Default: 120 000. */
  readonly startTimeoutMs?: number;
}

const cells = new WeakMap<Node, Cell>();

function configText(port: number, lines: readonly string[]): string {
  const taken = new Set(lines.map((line) => line.split("=")[0].trim()));
  const defaults = [
    ...loopbacks().map((host, index) => `listeners.tcp.${index + 1} = ${host}:${port}`),
    "disk_free_limit.absolute = 50MB",
  ];
  const kept = defaults.filter((line) => !taken.has(line.split("=")[0].trim()));
  return [...kept, ...lines, ""].join("\n");
}

/** A mount namespace gives a `chroot` its own `/proc`, which is gone with the process: no mount is ever left behind. */
const WITH_PROC = 'mount -t proc proc "$1/proc" 2>/dev/null; exec chroot "$@"';

async function serverLine(server: Server, line: readonly string[]): Promise<readonly string[]> {
  if (server.kind !== "folder" || !await succeeds("unshare", "--mount", "true")) {
    return inside(server, line);
  }
  return ["unshare", "--mount", "sh", "-c", WITH_PROC, "sh", server.root, ...line];
}

async function lastLog(folder: string): Promise<string> {
  try {
    const texts = [];
    for await (const entry of Deno.readDir(`${folder}/log`)) {
      if (entry.isFile) texts.push(await Deno.readTextFile(`${folder}/log/${entry.name}`));
    }
    const lines = texts.join("\n").split("\n");
    const bad = lines.filter((line) => /\[error\]|\[critical\]/.test(line));
    return (bad.length > 0 ? bad : lines).slice(-15).join("\n");
  } catch {
    return "it wrote no log";
  }
}

/** Somebody else began to listen between our choice of a port and the start of the node. */
class PortTakenError extends Error {}

async function isTaken(port: number, cellId: string): Promise<boolean> {
  const greeting = await greetIfThere({ hostname: "127.0.0.1", port });
  return !greeting?.clusterName.includes(cellId);
}

/**
 * Starts a private broker: own ports, own data, own Erlang cookie. Many can run at once.
 *
 * @throws {Error} With the end of its log, when it does not come up.
 */
export async function startNode(options: NodeOptions): Promise<Node> {
  for (let tries = 1;; tries++) {
    try {
      return await startOnce(tries === 1 ? options : { ...options, preferPort: undefined });
    } catch (error) {
      if (!(error instanceof PortTakenError) || tries === 3) throw error;
    }
  }
}

async function startOnce(options: NodeOptions): Promise<Node> {
  const { server, startTimeoutMs = 120_000 } = options;
  if (server.kind === "docker") {
    throw new Error("Cannot start a private node: only Docker is there: install rabbitmq-server");
  }
  const cell = (options.peer && cells.get(options.peer)) ?? await createCell(server);
  cell.enter();
  const number = cell.nextNumber();
  const name = `rabbit-${cell.id}-${number}@localhost`;
  const folder = `${cell.folder}/${number}`;
  const seen = cell.seen(folder);
  const port = freePort(options.preferPort);
  const ownLines = typeof options.config === "function"
    ? options.config(seen)
    : options.config ?? [];
  await Deno.mkdir(`${folder}/log`, { recursive: true });
  const files = {
    "rabbitmq.conf": configText(port, ownLines),
    "enabled_plugins": `[${(options.plugins ?? []).join(",")}].\n`,
    ...options.files,
  };
  for (const [file, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${folder}/${file}`, text);
  }

  const environment = {
    ...cell.environment,
    RABBITMQ_NODENAME: name,
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(freePort()),
    RABBITMQ_MNESIA_BASE: `${seen}/data`,
    RABBITMQ_LOG_BASE: `${seen}/log`,
    RABBITMQ_PID_FILE: `${seen}/pid`,
    RABBITMQ_CONFIG_FILE: `${seen}/rabbitmq.conf`,
    RABBITMQ_ADVANCED_CONFIG_FILE: `${seen}/advanced.config`,
    RABBITMQ_CONF_ENV_FILE: `${seen}/rabbitmq-env.conf`,
    RABBITMQ_ENABLED_PLUGINS_FILE: `${seen}/enabled_plugins`,
    RABBITMQ_GENERATED_CONFIG_DIR: `${seen}/config`,
    // Makes the start script become the node instead of its parent.
    RUNNING_UNDER_SYSTEMD: "true",
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:
      "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}",
    ...options.environment,
  };
  const control: Control = {
    ctl: inside(server, [`${server.bin}/rabbitmqctl`, "-q", "-n", name]),
    evaluate: inside(server, ["erl_call", "-sname", name, "-e"]),
    environment,
  };

  let process: Supervised | undefined;
  let version = "";

  async function start(): Promise<void> {
    if (process) return;
    const line = await serverLine(server, [`${(server as { bin: string }).bin}/rabbitmq-server`]);
    const started = await supervise(line, { environment, lease: `${folder}/running` });
    process = started;
    let hasEnded = false;
    started.ended.then(() => {
      hasEnded = true;
      if (process === started) process = undefined;
    });
    const deadline = Date.now() + startTimeoutMs;
    while (!hasEnded && Date.now() < deadline) {
      const greeting = await greetIfThere({ hostname: "127.0.0.1", port });
      if (greeting?.clusterName.includes(cell.id)) {
        version = greeting.version;
        return;
      }
      if (greeting) break;
      await delay(100);
    }
    if (freePort(port) !== port && await isTaken(port, cell.id)) {
      await started.stop();
      throw new PortTakenError(
        `Cannot start RabbitMQ: port ${port} was taken meanwhile: try again`,
      );
    }
    const why = hasEnded ? "it ended" : `it did not answer within ${startTimeoutMs} ms`;
    const log = await lastLog(folder);
    await started.stop();
    throw new Error(`Cannot start RabbitMQ: ${why}: its log says:\n${log}`);
  }

  let stopping: Promise<void> | undefined;
  const stop = () =>
    stopping ??= (async () => {
      await process?.stop();
      await cell.leave();
    })();

  try {
    await start();
  } catch (error) {
    await stop();
    throw error;
  }

  const node: Node = {
    ...guestAt(port),
    ...controls(control),
    name,
    folder,
    server,
    version,
    origin: `RabbitMQ ${version}, a private node on port ${port}`,
    own: true,
    get pid() {
      return process?.pid;
    },
    kill: async (signal = "SIGKILL") => {
      if (!process) return;
      const { pid, ended } = process;
      Deno.kill(pid, signal);
      await ended;
    },
    pause: () => process && Deno.kill(process.pid, "SIGSTOP"),
    resume: () => process && Deno.kill(process.pid, "SIGCONT"),
    start,
    stop,
    [Symbol.asyncDispose]: stop,
  };
  cells.set(node, cell);
  return node;
}
