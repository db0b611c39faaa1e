/** What a publisher or consumer is doing: one look at it, to be compared with the next. */
export interface Activity {
  /** Whether it holds nothing unfinished, and could notice if there were anything to do. */
  readonly quiet: boolean;
  /** What counts: another object begins to count again. `undefined` once it was stopped. */
  readonly source: unknown;
  /** Grows with whatever arrives or is sent. */
  readonly count: number;
}

/**
 * Tells how long nothing has happened. It looks now and then, which costs nothing for each message, and
 * never says that it was longer than it was: what it sees to have happened may have happened just now.
 */
export class QuietClock {
  #look: () => readonly Activity[];
  #last: readonly Activity[] = [];
  #since: number;

  /**
   * @param look Looks at all whose work counts; always as many, in the same order.
   * @param now When it begins, in milliseconds on any clock that does not jump.
   */
  constructor(look: () => readonly Activity[], now: number) {
    this.#look = look;
    this.#since = now;
  }

  /**
   * Looks again.
   *
   * @returns For how long nothing has happened.
   */
  quietFor(now: number): number {
    const seen = this.#look();
    const isQuiet = seen.every(({ quiet, source, count }, index) => {
      const last = this.#last[index];
      const isSame = source === last?.source && count === last?.count;
      return quiet && (isSame || source === undefined);
    });
    this.#last = seen;
    if (!isQuiet) this.#since = now;
    return now - this.#since;
  }
}

/** How often to look, so that the end comes late by a tenth of the time at most, and by a second. */
export function lookEveryMs(idleMs: number): number {
  return Math.min(Math.max(Math.ceil(idleMs / 10), 1), 1_000);
}
