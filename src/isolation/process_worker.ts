import { withoutEmptyBytes } from "./empty_bytes.ts";
import { ProcessChannel, type ProcessEnd } from "./process_channel.ts";
import { type ProcessOptions, taskCommand } from "./process_command.ts";
import { notLoaded, type TaskWorker, uncaught } from "./task_worker.ts";
import { errorOf, type FromTask, plainError, type WireMessage, type WireOutcome } from "./wire.ts";

type Answer = PromiseWithResolvers<WireOutcome>;

type State =
  | { readonly kind: "loading" }
  | { readonly kind: "idle" }
  | { readonly kind: "working"; readonly answer: Answer }
  /** It was told to end, or has told that it does. */
  | { readonly kind: "ending"; readonly why: Error; readonly answer: Answer | undefined }
  | { readonly kind: "ended"; readonly why: Error };

/** A process of its own that runs the task of a module: it can be killed, whatever it does. */
export class ProcessWorker implements TaskWorker {
  readonly ready: Promise<void>;
  readonly ended: Promise<Error>;
  #loaded = Promise.withResolvers<void>();
  #channel: ProcessChannel;
  #state: State = { kind: "loading" };

  /**
   * Starts it.
   *
   * @param href The task module.
   * @throws {ConfigurationError} If the program may not start it, or cannot.
   */
  constructor(href: string, options: ProcessOptions) {
    this.ready = this.#loaded.promise;
    this.ready.catch(() => {}); // Whoever does not ask is told by `ended`.
    this.#channel = new ProcessChannel(
      taskCommand(href, options),
      (message) => this.#receive(message),
    );
    this.#channel.send({ kind: "load", href });
    this.ended = this.#ends();
  }

  run(message: WireMessage): Promise<WireOutcome> {
    if ("why" in this.#state) return Promise.reject(this.#state.why);
    const answer: Answer = Promise.withResolvers();
    this.#state = { kind: "working", answer };
    this.#channel.send({ kind: "run", message: withoutEmptyBytes(message) as WireMessage });
    return answer.promise;
  }

  abort(reason: Error): void {
    if (this.#state.kind !== "working") return;
    this.#channel.send({ kind: "abort", reason: plainError(reason) });
  }

  async end(): Promise<boolean> {
    // One that is idle may end politely; one at work may never listen again.
    if (this.#state.kind === "idle") this.#channel.close();
    else this.#channel.kill();
    this.#ending(new Error("The process of the task was told to end"));
    await this.ended;
    return true;
  }

  #receive(message: FromTask): void {
    switch (message.kind) {
      case "ready":
        if (this.#state.kind !== "loading") break;
        this.#state = { kind: "idle" };
        this.#loaded.resolve();
        break;
      case "unusable":
        this.#loaded.reject(errorOf(message.error));
        void this.end();
        break;
      case "done":
        if (this.#state.kind !== "working") break;
        this.#state.answer.resolve(message.outcome);
        this.#state = { kind: "idle" };
        break;
      case "ending":
        this.#ending(uncaught("process", errorOf(message.error)));
        break;
    }
  }

  #ending(why: Error): void {
    if ("why" in this.#state) return;
    const answer = this.#state.kind === "working" ? this.#state.answer : undefined;
    this.#state = { kind: "ending", why, answer };
  }

  async #ends(): Promise<Error> {
    const end = await this.#channel.ended;
    const why = this.#state.kind === "ending" ? this.#state.why : reason(end);
    if ("answer" in this.#state) this.#state.answer?.reject(why);
    this.#state = { kind: "ended", why };
    this.#loaded.reject(notLoaded(why));
    return why;
  }
}

function reason({ code, signal, failure }: ProcessEnd): Error {
  const it = "The process of the task";
  if (failure !== undefined) {
    return new Error(`${it} could not be started: ${failure.message}`, { cause: failure });
  }
  if (signal === null) return new Error(`${it} ended with code ${code}`);
  const guess = OUT_OF_MEMORY.includes(signal) ? " (out of memory?)" : "";
  return new Error(`${it} was ended by signal ${signal}${guess}`);
}

/** The signals by which V8 ends a process that has no memory left, and the system one of its choice. */
const OUT_OF_MEMORY: readonly string[] = ["SIGTRAP", "SIGABRT", "SIGILL", "SIGKILL"];
