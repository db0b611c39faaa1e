/** How a `Consumer` is stopped. */
export interface ConsumerStopOptions {
  /**
   * How long to wait for what is being worked on, in milliseconds, 0 to 2 147 483 647.
   *
   * @default {25000}
   */
  timeoutMs?: number;
}

/** What became of the messages that a `Consumer` held when it was stopped. */
export interface ConsumerStopResult {
  /** How many were settled by their tasks or callbacks. */
  readonly completed: number;
  /** How many had not begun and went back to the queue. */
  readonly released: number;
  /** How many were not settled in time; the broker delivers them again. */
  readonly abandoned: number;
}
