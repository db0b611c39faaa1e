import type { HeldDelivery } from "./held_delivery.ts";

/** How long callbacks may take. */
export interface CallbackLimits {
  readonly callbackTimeoutMs: number;
  readonly taskGraceMs: number;
}

/** It looks again no sooner than this, however many are due one after the other. */
const LEAST_PAUSE_MS = 10;

/**
 * Watches messages that wait for a callback: aborts their signal when the time is over, and after the
 * grace says so. One timer does for all: it is set for the first that is due, and when it strikes all
 * that are held are looked through.
 */
export class CallbackWatch {
  #limits: CallbackLimits;
  #held: () => Iterable<HeldDelivery>;
  #over: (held: HeldDelivery, failure: Error) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param held All that may be waiting.
   * @param over The grace of one is over as well, and it is still not settled.
   */
  constructor(
    limits: CallbackLimits,
    held: () => Iterable<HeldDelivery>,
    over: (held: HeldDelivery, failure: Error) => void,
  ) {
    this.#limits = limits;
    this.#held = held;
    this.#over = over;
  }

  /** From now on a callback is awaited. */
  begin(held: HeldDelivery): void {
    const { callbackTimeoutMs } = this.#limits;
    held.callbackDeadline = performance.now() + callbackTimeoutMs;
    // Those that came before are due before.
    this.#timer ??= setTimeout(() => this.#look(), callbackTimeoutMs);
  }

  /** Stops watching. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const { callbackTimeoutMs, taskGraceMs } = this.#limits;
    const now = performance.now();
    let next = Infinity;
    // A copy, as what is told of it may settle others.
    for (const held of [...this.#held()]) {
      if (held.callbackDeadline === undefined || !held.open) continue;
      if (held.callbackDeadline <= now && !held.isOverdue) {
        held.isOverdue = true;
        held.callbackDeadline = now + taskGraceMs;
        held.abort(
          new DOMException(`No callback came within ${callbackTimeoutMs} ms`, "TimeoutError"),
        );
        if (!held.open) continue;
      }
      if (held.callbackDeadline <= now) this.#over(held, neverCame(this.#limits));
      else next = Math.min(next, held.callbackDeadline);
    }
    this.#timer = next === Infinity
      ? undefined
      : setTimeout(() => this.#look(), Math.max(next - now, LEAST_PAUSE_MS));
  }
}

function neverCame({ callbackTimeoutMs, taskGraceMs }: CallbackLimits): Error {
  return new DOMException(
    `No callback settled the message within ${callbackTimeoutMs} ms ("callbackTimeoutMs") and ` +
      `${taskGraceMs} ms of grace: it counts as failed, and a callback that comes now is ignored: ` +
      `see what it hangs on, or allow more time`,
    "TimeoutError",
  );
}
