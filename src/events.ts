import type { Logger } from "./log.ts";

/** A listener of a typed event. It may be asynchronous; what it throws harms nothing else. */
export type TypedListener<Detail> = (event: CustomEvent<Detail>) => unknown;

/** Detail of an `error` event: something threw that belongs to the program, such as a callback. */
export interface ErrorDetail {
  /** What was going on, such as `the "connected" listener threw`. */
  readonly message: string;
  /** What was thrown. */
  readonly error: unknown;
}

/**
 * Typed events with the interface of an `EventTarget`, whose listeners are isolated: on a plain
 * `EventTarget` a throwing listener ends a Deno process. What a listener throws, or an asynchronous
 * one rejects with, becomes an `error` event, or a log line if nobody listens to that.
 *
 * @typeParam Events The names of the events and what their `detail` holds.
 */
export class TypedEventTarget<Events extends { error: ErrorDetail }> {
  #log: Logger;
  #listeners: Map<string, Map<unknown, (event: CustomEvent) => void>> = new Map();

  /**
   * Made by the classes of the library only.
   *
   * @param log Where problems go that no listener takes.
   */
  constructor(log: Logger) {
    this.#log = log;
  }

  /**
   * Calls `listener` whenever the event happens.
   *
   * @param type The name of the event.
   * @param listener Called with the event; it may be asynchronous.
   * @param options `once`: after the first event it is removed. `signal`: removes it when aborted.
   */
  addEventListener<Type extends keyof Events & string>(
    type: Type,
    listener: TypedListener<Events[Type]>,
    options: { once?: boolean; signal?: AbortSignal } = {},
  ): void {
    const ofType = this.#listeners.get(type) ?? new Map();
    this.#listeners.set(type, ofType);
    if (ofType.has(listener) || options.signal?.aborted) return;
    const remove = () => {
      if (ofType.get(listener) === tell) ofType.delete(listener);
    };
    const tell = (event: CustomEvent) => {
      if (ofType.get(listener) !== tell) return; // Removed by a listener before it.
      if (options.once) remove();
      this.isolated(`the "${type}" listener`, () => listener(event), type === "error");
    };
    ofType.set(listener, tell);
    options.signal?.addEventListener("abort", remove, { once: true });
  }

  /**
   * Ends what {@linkcode TypedEventTarget.addEventListener} began.
   *
   * @param type The name of the event.
   * @param listener The listener that was added.
   */
  removeEventListener<Type extends keyof Events & string>(
    type: Type,
    listener: TypedListener<Events[Type]>,
  ): void {
    this.#listeners.get(type)?.delete(listener);
  }

  /** Whether anybody listens to this event. */
  protected hasListener(type: keyof Events & string): boolean {
    return (this.#listeners.get(type)?.size ?? 0) > 0;
  }

  /** Tells the listeners, if there are any. */
  protected emit<Type extends keyof Events & string>(type: Type, detail: Events[Type]): void {
    if (!this.hasListener(type)) return;
    const event = new CustomEvent(type, { detail });
    for (const tell of [...this.#listeners.get(type)!.values()]) tell(event);
  }

  /**
   * Tells the listeners; if there are none, the log, so that no problem is silent.
   *
   * @param type The name of the event.
   * @param detail What it holds.
   * @param message What the log is told; nothing if it is `undefined`.
   * @param error What the log is shown beside it.
   */
  protected emitProblem<Type extends keyof Events & string>(
    type: Type,
    detail: Events[Type],
    message: string | undefined,
    error?: unknown,
  ): void {
    if (this.hasListener(type)) this.emit(type, detail);
    else if (message === undefined) return;
    else if (error === undefined) this.#log.warn(message);
    else this.#log.warn(message, error);
  }

  /**
   * Runs code of the program: whatever it throws, or rejects with later, becomes an `error` event.
   *
   * @param what Names the code, for the message: `the ackCallback`.
   * @param code The code.
   * @param onlyLog Skips the event, if the event itself is what failed.
   */
  protected isolated(what: string, code: () => unknown, onlyLog = false): void {
    const report = (error: unknown, verb: string) => {
      const message = `${what} ${verb}`;
      if (onlyLog) this.#log.error(message, error);
      else this.emitProblem("error", { message, error } as Events["error"], message, error);
    };
    try {
      const result = code();
      if (isThenable(result)) result.then(undefined, (error) => report(error, "rejected"));
    } catch (error) {
      report(error, "threw");
    }
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined)?.then === "function";
}
