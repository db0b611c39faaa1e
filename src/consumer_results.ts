/** How a `Consumer` is stopped. */
export interface ConsumerStopOptions {
  /**
   * How long it may take, in milliseconds, 0 to 2 147 483 647: the signals of what is still being
   * worked on are aborted before that, by a quarter of the time, but a second at most. Default: 25 000;
   * on Deno Deploy (if `DENO_DEPLOY` is set) 4 000.
   */
  timeoutMs?: number;
}

/** What became of the messages that a `Consumer` held when it was stopped. */
export interface ConsumerStopResult {
  /** How many were settled by their tasks or callbacks. */
  readonly completed: number;
  /** How many had not begun and went back to the queue. */
  readonly released: number;
  /**
   * How many were not finished in time: their tasks gave them back when their signals were aborted, or
   * did not end. The broker delivers them again.
   */
  readonly abandoned: number;
}
