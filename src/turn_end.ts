import { Fifo } from "./fifo.ts";

/**
 * So many microtasks in a row in which nothing was added are the end of a turn: more than lie between
 * the ends of two tasks that follow each other, and all of them cost less than one write does.
 */
const QUIET = 32;

/** What waits for the end of the present turn: of all connections, as they share it. */
const waiting = new Fifo<TurnEnd>();
let quiet = 0;
let isAwaited = false;

/**
 * Does something once at the end of a turn: when the program has nothing more to do for now. A turn
 * consists of many small steps, such as the tasks of several messages that end one after the other,
 * or a loop that awaits a promise which is resolved already; while they add to what is to be done it
 * waits. It never waits for a timer or for the network.
 */
export class TurnEnd {
  #run: () => void;
  #isWaiting = false;

  constructor(run: () => void) {
    this.#run = run;
  }

  /** Something was added: the end is to come after it. */
  await(): void {
    quiet = 0;
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    waiting.push(this);
    if (isAwaited) return;
    isAwaited = true;
    queueMicrotask(step);
  }

  /** The turn is over. */
  end(): void {
    this.#isWaiting = false;
    this.#run();
  }
}

function step(): void {
  if (++quiet < QUIET) return queueMicrotask(step);
  try {
    // What is added now is added at the end: the frames of acknowledgements need not wait once more.
    while (waiting.length > 0) waiting.shift()!.end();
  } finally {
    isAwaited = waiting.length > 0;
    if (isAwaited) queueMicrotask(step);
  }
}
