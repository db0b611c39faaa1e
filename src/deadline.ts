/** A time by which something is to be over, counted from now. */
export class Deadline {
  #timeoutMs: number;
  #end: number;

  /** @param timeoutMs How long from now, in milliseconds. */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#end = performance.now() + timeoutMs;
  }

  /** How much of it is left, in whole milliseconds, and never less than `atLeastMs`. */
  left(atLeastMs = 0): number {
    // A rounding error must not make it longer than it was: a timer takes no more than its largest.
    const left = Math.min(Math.ceil(this.#end - performance.now()), this.#timeoutMs);
    return Math.max(left, atLeastMs);
  }

  /**
   * Waits until the work is done or the time is over, whichever comes first.
   *
   * @param lessMs How much of the time is to be left then, in milliseconds.
   */
  async wait(work: Promise<unknown>, lessMs = 0): Promise<void> {
    const timeUp = Promise.withResolvers<void>();
    const timer = setTimeout(timeUp.resolve, Math.max(this.left() - lessMs, 0));
    try {
      await Promise.race([work, timeUp.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}
