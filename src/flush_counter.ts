interface Flush {
  /** It speaks of the sends after this one … */
  readonly after: number;
  /** … and waits for all up to this one, the earlier ones included. */
  readonly upTo: number;
  readonly result: PromiseWithResolvers<{ confirmed: number; failed: number }>;
  outstanding: number;
  confirmed: number;
  failed: number;
}

/**
 * Counts the outcomes of sends, and tells when those up to a given one are all known. It outlives a
 * stop: what was refused before a start may have its outcome after it.
 */
export class FlushCounter {
  #outstanding = 0;
  #lastSequence = 0;
  /** The last send before the present start. */
  #startedAfter = 0;
  #confirmed = 0;
  #failed = 0;
  #flushes = new Set<Flush>();

  /** From now on only sends that come are counted; a flush still waits for all. */
  restart(): void {
    this.#startedAfter = this.#lastSequence;
    this.#confirmed = 0;
    this.#failed = 0;
  }

  /** Another message was sent, with a number above those of all before. */
  sent(sequence: number): void {
    this.#outstanding++;
    this.#lastSequence = sequence;
  }

  /** The outcome of the send with this number is known. */
  settled(sequence: number, ok: boolean): void {
    this.#outstanding--;
    if (sequence > this.#startedAfter) {
      if (ok) this.#confirmed++;
      else this.#failed++;
    }
    for (const flush of this.#flushes) {
      if (sequence > flush.upTo) continue;
      if (sequence > flush.after) {
        if (ok) flush.confirmed++;
        else flush.failed++;
      }
      if (--flush.outstanding === 0) this.#finish(flush);
    }
  }

  /** Resolves when the outcome of all sends so far is known, with how many came to which end. */
  flush(): Promise<{ confirmed: number; failed: number }> {
    const flush: Flush = {
      after: this.#startedAfter,
      upTo: this.#lastSequence,
      result: Promise.withResolvers(),
      outstanding: this.#outstanding,
      confirmed: this.#confirmed,
      failed: this.#failed,
    };
    this.#flushes.add(flush);
    if (flush.outstanding === 0) this.#finish(flush);
    return flush.result.promise;
  }

  #finish(flush: Flush): void {
    this.#flushes.delete(flush);
    flush.result.resolve({ confirmed: flush.confirmed, failed: flush.failed });
  }
}
