import { unrefTimer } from "./runtime.ts";

/** What has a time by which it must be over, on the clock of `performance.now()`. */
export interface Expiring {
  readonly deadline: number;
}

/**
 * Watches things that expire in the order in which they came, with one timer for the first of them.
 */
export class Expiry<T extends Expiring> {
  #open: () => Iterable<T>;
  #expire: (item: T) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param open What is still to be watched, the first to expire first.
   * @param expire Takes one out, as its time is over.
   */
  constructor(open: () => Iterable<T>, expire: (item: T) => void) {
    this.#open = open;
    this.#expire = expire;
  }

  /** To be called when something was added. */
  watch(): void {
    if (this.#timer !== undefined) return;
    const [first] = this.#open();
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
    for (const item of this.#open()) {
      if (item.deadline > now) break;
      this.#expire(item);
    }
    this.watch();
  }
}
