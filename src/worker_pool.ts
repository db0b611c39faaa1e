import { Semaphore } from "@std/async/unstable-semaphore";
import { Fifo } from "./fifo.ts";

/** Works on one unit; returns a promise if that is not done at once. Must not throw or reject. */
export type Work<Unit> = (unit: Unit) => Promise<void> | void;

/**
 * Works on units in parallel, as many at a time as there are permits, and in the order in which
 * they came. It knows nothing of what a unit is.
 *
 * @typeParam Unit What is worked on: one delivery, or several.
 */
export class WorkerPool<Unit> {
  #permits: Semaphore;
  #work: Work<Unit>;
  #waiting = new Fifo<Unit>();
  /** The permit of the unit that ended last, for the next to begin: most end before another comes. */
  #spare: Disposable | undefined;
  #running = 0;
  #idle: PromiseWithResolvers<void> | undefined;

  /**
   * @param workers How many units are worked on at a time.
   * @param work Works on one unit.
   */
  constructor(workers: number, work: Work<Unit>) {
    this.#permits = new Semaphore(workers);
    this.#work = work;
  }

  /** How many units are being worked on. */
  get running(): number {
    return this.#running;
  }

  /** Takes a unit in: it begins at once, or when a permit is free. */
  submit(unit: Unit): void {
    this.#waiting.push(unit);
    this.#begin();
  }

  /** Takes back what has not begun. */
  withdraw(): Unit[] {
    return this.#waiting.drain();
  }

  /** Resolves when nothing is running and nothing waits. */
  idle(): Promise<void> {
    if (this.#running === 0 && this.#waiting.length === 0) return Promise.resolve();
    this.#idle ??= Promise.withResolvers();
    return this.#idle.promise;
  }

  #begin(): void {
    while (this.#waiting.length > 0) {
      const permit = this.#spare ?? this.#permits.tryAcquire();
      if (permit === undefined) return;
      this.#spare = undefined;
      this.#running++;
      const work = this.#work(this.#waiting.shift()!);
      // Units that take no time come by the thousand: no promise is made for them.
      if (work === undefined) this.#end(permit);
      else {
        void work.then(() => {
          this.#end(permit);
          this.#begin();
        });
      }
    }
  }

  #end(permit: Disposable): void {
    this.#running--;
    if (this.#spare === undefined) this.#spare = permit;
    else permit[Symbol.dispose]();
    if (this.#idle === undefined || this.#running > 0 || this.#waiting.length > 0) return;
    this.#idle.resolve();
    this.#idle = undefined;
  }
}
