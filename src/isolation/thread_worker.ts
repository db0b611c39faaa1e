import { type MessagePort as NodePort, Worker } from "node:worker_threads";
import { ownBody } from "../body_store.ts";
import { Deadline } from "../deadline.ts";
import { ConfigurationError } from "../errors.ts";
import { mayReadModule } from "../runtime.ts";
import { notLoaded, type TaskWorker, uncaught } from "./task_worker.ts";
import { entryHref, isTaskThread, type ToThread } from "./thread_entry.ts";
import { errorOf, type FromTask, plainError, type WireMessage, type WireOutcome } from "./wire.ts";

/** A thread whose event loop turns ends within this time; one that does not is in a busy loop. */
const END_MS = 1_000;

type Answer = PromiseWithResolvers<WireOutcome>;

type State =
  | { readonly kind: "loading" }
  | { readonly kind: "idle" }
  | { readonly kind: "working"; readonly answer: Answer }
  | { readonly kind: "ended"; readonly why: Error };

/**
 * A thread that runs the task of a module. It is one of `node:worker_threads`, as a Web Worker tells
 * nobody that its code has called `Deno.exit`, and one in a busy loop keeps the program from ending.
 */
export class ThreadWorker implements TaskWorker {
  readonly ready: Promise<void>;
  readonly ended: Promise<Error>;
  #loaded = Promise.withResolvers<void>();
  #end = Promise.withResolvers<Error>();
  #worker: Worker;
  /** Its own channel: that of the worker takes six times as long. */
  #port: MessagePort;
  /** Why it ends, if that is known before it has ended. */
  #why: Error | undefined;
  /** What is wrong with the module. */
  #unusable: Error | undefined;
  #state: State = { kind: "loading" };

  /**
   * Starts it.
   *
   * @param href The task module.
   * @throws {ConfigurationError} If the program may not read what the thread has to load.
   */
  constructor(href: string) {
    this.ready = this.#loaded.promise;
    this.ready.catch(() => {}); // Whoever does not ask is told by `ended`.
    this.ended = this.#end.promise;
    if (isTaskThread()) throw startedByItsTask();
    for (const module of [entryHref, href]) checkReadable(module);
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#worker = new Worker(entry(), {
      name: "lapinmq task",
      workerData: { port: port2 },
      transferList: [port2 as unknown as NodePort],
    });
    this.#port.onmessage = ({ data }: MessageEvent<FromTask>) => this.#receive(data);
    this.#worker.on("error", (error: Error) => this.#why ??= error);
    // What it has told may arrive behind the news that it has ended.
    this.#worker.on("exit", (code) => setTimeout(() => this.#ended(code)));
    this.#post({ kind: "load", href });
  }

  run(message: WireMessage): Promise<WireOutcome> {
    if (this.#state.kind === "ended") return Promise.reject(this.#state.why);
    const answer: Answer = Promise.withResolvers();
    this.#state = { kind: "working", answer };
    const body = ownBody(message.body);
    this.#post({ kind: "run", message: { ...message, body } }, [body.buffer as ArrayBuffer]);
    return answer.promise;
  }

  abort(reason: Error): void {
    if (this.#state.kind === "working") this.#post({ kind: "abort", reason: plainError(reason) });
  }

  /** `terminate()` would not end a busy loop either, and then nothing would tell when it has ended. */
  async end(withinMs = END_MS): Promise<boolean> {
    if (this.#hasEnded) return true;
    this.#why ??= new Error("The thread of the task was told to end");
    this.#post({ kind: "end" });
    await new Deadline(Math.min(withinMs, END_MS)).wait(this.ended);
    if (this.#hasEnded) return true;
    // Neither is to keep the program from ending.
    this.#port.close();
    this.#worker.unref();
    return false;
  }

  get #hasEnded(): boolean {
    return this.#state.kind === "ended";
  }

  #post(message: ToThread, transfer: Transferable[] = []): void {
    this.#port.postMessage(message, transfer);
  }

  #receive(message: FromTask): void {
    switch (message.kind) {
      case "ready":
        this.#state = { kind: "idle" };
        this.#loaded.resolve();
        break;
      case "unusable":
        this.#unusable = errorOf(message.error);
        void this.end().then(() => this.#loaded.reject(this.#unusable));
        break;
      case "done": {
        if (this.#state.kind !== "working") break;
        const { answer } = this.#state;
        this.#state = { kind: "idle" };
        answer.resolve(message.outcome);
        break;
      }
      case "ending":
        this.#why ??= uncaught("thread", errorOf(message.error));
    }
  }

  #ended(code: number): void {
    const before = this.#state;
    const why = this.#why ?? endedWith(code);
    this.#state = { kind: "ended", why };
    this.#port.close();
    this.#loaded.reject(this.#whyNotLoaded(code, why));
    if (before.kind === "working") before.answer.reject(why);
    this.#end.resolve(why);
  }

  /** A module goes on for a moment after it has called `Deno.exit`: until it is found to have no task. */
  #whyNotLoaded(code: number, why: Error): Error {
    if (this.#unusable === undefined) return notLoaded(why);
    return code === 0 ? this.#unusable : notLoaded(endedWith(code));
  }
}

/** As `data:`, since a worker of this kind cannot be started from `http(s):`, but can import it. */
function entry(): URL {
  const source = `import { serveThread } from ${JSON.stringify(entryHref)}; ` +
    `serveThread((href) => import(href));`;
  return new URL(`data:text/javascript,${encodeURIComponent(source)}`);
}

/** Otherwise each thread would start others, without end. */
function startedByItsTask(): ConfigurationError {
  return new ConfigurationError(
    `Cannot start a thread for the task module: this is such a thread already: the task module ` +
      `starts a consumer as it is loaded: do so only "if (import.meta.main)", or put the task into a ` +
      `module of its own`,
  );
}

/** Deno would print it and end the thread; here it is an error that names the flag. */
function checkReadable(href: string): void {
  if (mayReadModule(href)) return;
  const { pathname } = new URL(href);
  throw new ConfigurationError(
    `Cannot start a thread for the task module: the program may not read ${pathname}: run it with ` +
      `--allow-read of the folder (a thread needs it for all local modules that it loads)`,
  );
}

function endedWith(code: number): Error {
  return new Error(`The thread of the task ended with exit code ${code}`);
}
