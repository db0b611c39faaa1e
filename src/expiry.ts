import { unrefTimer } from "./runtime.ts";

/** What has a time by which it must be over, on the clock of `performance.now()`. */
export interface Expiring {
  readonly deadline: number;
}

/**
 * Watches things that expire in the order in which they came, with one timer for the first of them.
 */
export class Expiry<T extends Expiring> {
  #oldest: () => T | undefined;
  #expire: (item: T) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param oldest What is the first to expire of what is still to be watched.
   * @param expire Takes it out, as its time is over.
   */
  constructor(oldest: () => T | undefined, expire: (item: T) => void) {
    this.#oldest = oldest;
    this.#expire = expire;
  }

  /** To be called when something was added. */
  watch(): void {
    if (this.#timer !== undefined) return;
    const first = this.#oldest();
    if (first === undefined) return;
    this.#timer = setTimeout(
      () => this.#expireAll(),
      Math.max(first.deadline - performance.now(), 1),
    );
    unrefTimer(this.#timer);
  }

  /** Stops watching. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #expireAll(): void {
    this.#timer = undefined;
    const now = performance.now();
    let item: T | undefined;
    while ((item = this.#oldest()) !== undefined && item.deadline <= now) this.#expire(item);
    this.watch();
  }
}
