/** Lets at most `max` holders in at a time; the others wait in the order in which they came. */
export class Semaphore {
  readonly #max: number;
  #free: number;
  readonly #waiting = new Set<() => void>();

  /**
   * @param max The number of permits.
   * @throws {TypeError} If `max` is not a positive integer.
   */
  constructor(max: number = 1) {
    if (!Number.isInteger(max) || max < 1) {
      throw new TypeError(
        `Cannot create semaphore as 'max' must be a positive integer: received ${max}`,
      );
    }
    this.#max = max;
    this.#free = max;
  }

  /** Takes a permit, or waits for one; disposing it is the same as {@linkcode release}. */
  acquire(): Promise<Disposable> {
    const permit = this.tryAcquire();
    if (permit) return Promise.resolve(permit);
    return new Promise((resolve) => this.#waiting.add(() => resolve(this.#permit())));
  }

  /** Takes a permit if one is free. */
  tryAcquire(): Disposable | undefined {
    if (this.#free === 0) return undefined;
    this.#free--;
    return this.#permit();
  }

  /** Gives a permit to the one who has waited longest, or back to the pool. */
  release(): void {
    for (const admit of this.#waiting) {
      this.#waiting.delete(admit);
      return admit();
    }
    this.#free = Math.min(this.#free + 1, this.#max);
  }

  #permit(): Disposable {
    return { [Symbol.dispose]: () => this.release() };
  }
}
