/**
 * So many microtasks in a row in which nothing was added are the end of a turn: more than lie between
 * the ends of two tasks that follow each other, and all of them cost less than one write does.
 */
const QUIET = 32;

/**
 * Does something once at the end of a turn: when the program has nothing more to do for now. A turn
 * consists of many small steps, such as the tasks of several messages that end one after the other,
 * or a loop that awaits a promise which is resolved already; while they add to what is to be done it
 * waits. It never waits for a timer or for the network.
 */
export class TurnEnd {
  #run: () => void;
  #quiet = 0;
  #pending = false;

  constructor(run: () => void) {
    this.#run = run;
  }

  /** Something was added: the end is to come after it. */
  await(): void {
    this.#quiet = 0;
    if (this.#pending) return;
    this.#pending = true;
    queueMicrotask(this.#step);
  }

  #step = (): void => {
    if (++this.#quiet < QUIET) return queueMicrotask(this.#step);
    this.#pending = false;
    this.#run();
  };
}
