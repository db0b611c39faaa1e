/** Counts the tasks that run on although their time is over. */
export class Overruns {
  #most: number;
  #changed: () => void;
  #count = 0;
  #fullSince: Date | undefined;

  /**
   * @param most How many there may be.
   * @param changed Told when there are so many, and when there are fewer again.
   */
  constructor(most: number, changed: () => void) {
    this.#most = most;
    this.#changed = changed;
  }

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  /** Since when there are as many as there may be; `undefined` while there are fewer. */
  get fullSince(): Date | undefined {
    return this.#fullSince;
  }

  /** Another one runs on (1), or has ended (-1). */
  add(change: 1 | -1): void {
    this.#count += change;
    const full = this.#count >= this.#most;
    if (full === (this.#fullSince !== undefined)) return;
    this.#fullSince = full ? new Date() : undefined;
    this.#changed();
  }
}
