interface Flush {
  readonly upTo: number;
  readonly result: PromiseWithResolvers<{ confirmed: number; failed: number }>;
  outstanding: number;
  confirmed: number;
  failed: number;
}

/** Counts the outcomes of sends, and tells when those up to a given one are all known. */
export class FlushCounter {
  #sent = 0;
  #lastSequence = 0;
  #confirmed = 0;
  #failed = 0;
  #flushes = new Set<Flush>();

  /** Another message was sent, with a number above those of all before. */
  sent(sequence: number): void {
    this.#sent++;
    this.#lastSequence = sequence;
  }

  /** The outcome of the send with this number is known. */
  settled(sequence: number, ok: boolean): void {
    if (ok) this.#confirmed++;
    else this.#failed++;
    for (const flush of this.#flushes) {
      if (sequence > flush.upTo) continue;
      if (ok) flush.confirmed++;
      else flush.failed++;
      if (--flush.outstanding === 0) this.#finish(flush);
    }
  }

  /** Resolves when the outcome of all sends so far is known, with how many came to which end. */
  flush(): Promise<{ confirmed: number; failed: number }> {
    const flush: Flush = {
      upTo: this.#lastSequence,
      result: Promise.withResolvers(),
      outstanding: this.#sent - this.#confirmed - this.#failed,
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
