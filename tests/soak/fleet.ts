/** The programs of a soak: each has proxies of its own before every node, and a successor when it is ended. */

import { launch } from "../../tools/launch.ts";
import type { History } from "./checker.ts";
import type { Entry } from "./journal.ts";
import { type Proxy, startProxy } from "./proxy.ts";
import { environmentOf, type Setup } from "./setup.ts";

export type Role = "publisher" | "worker" | "undertaker";

/** What the programs have in common. */
export interface FleetOptions {
  readonly folder: string;
  readonly ports: readonly number[];
  readonly history: History;
  /** Told of every line that any of them writes. */
  readonly onEntry: (slot: Slot, entry: Entry) => void;
  readonly environment: Readonly<Record<string, string>>;
  readonly common: Pick<Setup, "client" | "heartbeatSeconds" | "rate" | "poison">;
}

/** Reads what is appended to a file. */
class Tail {
  #path: string;
  #file: Deno.FsFile | undefined;
  #rest = "";
  #decoder = new TextDecoder();
  #buffer = new Uint8Array(64 * 1024);

  constructor(path: string) {
    this.#path = path;
  }

  /** The lines that were completed since the last call. */
  *lines(): Generator<string> {
    try {
      this.#file ??= Deno.openSync(this.#path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      throw error;
    }
    for (let length; (length = this.#file.readSync(this.#buffer)) !== null;) {
      const text = this.#decoder.decode(this.#buffer.subarray(0, length), { stream: true });
      const lines = (this.#rest + text).split("\n");
      this.#rest = lines.pop()!;
      yield* lines;
    }
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }
}

/** The place of one program, in which one process follows another. */
export class Slot {
  readonly name: string;
  readonly role: Role;
  readonly proxies: readonly Proxy[];
  #options: FleetOptions;
  #queues: readonly string[];
  #seed: number;
  #life = 0;
  #child: Deno.ChildProcess | undefined;
  #tail: Tail | undefined;
  #expected = false;
  /** The memory of the present process over time. */
  readonly rss: { at: number; life: number; bytes: number }[] = [];

  constructor(
    name: string,
    role: Role,
    proxies: readonly Proxy[],
    queues: readonly string[],
    seed: number,
    options: FleetOptions,
  ) {
    this.name = name;
    this.role = role;
    this.proxies = proxies;
    this.#queues = queues;
    this.#seed = seed;
    this.#options = options;
  }

  /** The name of the present process. */
  get process(): string {
    return `${this.name}.${this.#life}`;
  }

  get acceptedAt(): number {
    return Math.max(...this.proxies.map((proxy) => proxy.acceptedAt));
  }

  /** Starts the next process. */
  start(): void {
    const { folder, common, environment, history } = this.#options;
    this.#life++;
    this.#expected = false;
    const name = this.process;
    const setup: Setup = {
      ...common,
      name,
      parent: Deno.pid,
      journal: `${folder}/${name}.log`,
      // Each begins with another node.
      urls: this.proxies.map(({ port }) => `amqp://guest:guest@127.0.0.1:${port}`),
      queues: this.#queues,
      seed: this.#seed + this.#life,
      undertaker: this.role === "undertaker",
    };
    const program = this.role === "publisher" ? "publisher" : "worker";
    const child = launch(["run", "--no-prompt", "--quiet", "-A", `tests/soak/${program}.ts`], {
      environment: {
        ...Deno.env.toObject(),
        ...environment,
        ...environmentOf(setup),
        NO_COLOR: "1",
      },
      stdout: "piped",
      stderr: "piped",
    });
    this.#child = child;
    this.#tail = new Tail(setup.journal);
    void keep(child.stdout, `${folder}/${name}.stdout`);
    void keep(child.stderr, `${folder}/${name}.stderr`);
    void child.status.then(({ code, signal }) => {
      if (this.#child !== child || this.#expected) return;
      history.uncaught(`${name} ended by itself with ${signal ?? code}`);
      this.read();
      this.#tail?.close();
      this.start();
    });
  }

  /** Sends the process a signal that does not end it. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child?.kill(signal);
  }

  /** Kills the process. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
    this.#options.history.killed(this.process);
  }

  /** Asks the process to end, and waits for it. Returns whether it did within its time. */
  async end(timeoutMs: number): Promise<void> {
    const timer = setTimeout(() => {
      this.#options.history.hung(`${this.process} did not end within ${timeoutMs} ms`);
      this.#options.history.killed(this.process);
      this.#child?.kill("SIGKILL");
    }, timeoutMs);
    await this.#end("SIGTERM");
    clearTimeout(timer);
  }

  /** Takes in what the process has written. */
  read(): void {
    for (const line of this.#tail?.lines() ?? []) {
      const entry = this.#options.history.add(this.process, line);
      if (entry.kind === "rss") {
        this.rss.push({ at: entry.at, life: this.#life, bytes: Number(entry.note) });
      }
      this.#options.onEntry(this, entry);
    }
  }

  async #end(signal: Deno.Signal): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#expected = true;
    try {
      child.kill(signal);
    } catch {
      // It has ended already.
    }
    const { code } = await child.status;
    this.read();
    this.#tail?.close();
    this.#tail = undefined;
    this.#child = undefined;
    if (signal === "SIGTERM" && code !== 0) {
      this.#options.history.uncaught(`${this.process} ended with ${code}`);
    }
  }
}

async function keep(stream: ReadableStream<Uint8Array>, path: string): Promise<void> {
  using file = await Deno.open(path, { create: true, append: true });
  let left = 1024 * 1024;
  for await (const chunk of stream) {
    if ((left -= chunk.length) > 0) file.writeSync(chunk);
  }
}

/** Makes the place of a program, with its proxies; nothing runs yet. */
export async function createSlot(
  name: string,
  role: Role,
  queues: readonly string[],
  seed: number,
  options: FleetOptions,
): Promise<Slot> {
  const proxies: Proxy[] = [];
  for (const port of options.ports) proxies.push(await startProxy(port));
  // Each program begins with another node.
  const turn = Number(name.match(/\d+$/)?.[0] ?? 0) % proxies.length;
  const turned = [...proxies.slice(turn), ...proxies.slice(0, turn)];
  return new Slot(name, role, turned, queues, seed, options);
}
