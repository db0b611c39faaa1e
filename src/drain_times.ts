/** How long before its deadline a drain goes on to its next step, in milliseconds. */
export interface DrainTimes {
  /** The signals of what is not done by then are aborted. */
  readonly recallMs: number;
  /** Nothing is waited for any longer, and the channel is closed. */
  readonly closeMs: number;
}

/** The most that tasks are given, once their signals are aborted, to end and to give back their messages. */
const MOST_RECALL_MS = 1_000;

/** The most that is kept for closing. */
const MOST_CLOSE_MS = 250;

/** The least time for threads to end, when the deadline is used up. */
export const LEAST_END_MS = MOST_CLOSE_MS;

/**
 * Divides the time of a drain. Whatever is left to be done when tasks are not done in time happens
 * before its deadline: who waits for the program may kill it soon after that.
 */
export function drainTimes(timeoutMs: number): DrainTimes {
  return {
    recallMs: Math.min(MOST_RECALL_MS, Math.floor(timeoutMs / 4)),
    closeMs: Math.min(MOST_CLOSE_MS, Math.floor(timeoutMs / 16)),
  };
}
