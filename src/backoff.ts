/** How long to wait between two attempts. */
export interface BackoffOptions {
  /** The delay before the second attempt, in milliseconds; it doubles with each further one. */
  readonly initialDelayMs: number;
  /** The longest delay, in milliseconds. */
  readonly maxDelayMs: number;
}

/** How long something must have held to count as stable, so that the backoff starts afresh. */
export const STABLE_MS = 1_000;

/**
 * The delay before attempt `attempt` (1 is the first retry): exponential, bounded, and with jitter
 * (between half of it and all of it) so that many clients do not return at the same moment.
 */
export function backoffDelay(
  attempt: number,
  options: BackoffOptions,
  random: () => number = Math.random,
): number {
  const full = doubled(options.initialDelayMs, attempt, options.maxDelayMs);
  return Math.round(full / 2 + (full / 2) * random());
}

/** `base` doubled with each attempt after the first, and never above `max`. */
export function doubled(base: number, attempt: number, max: number): number {
  return Math.min(base * 2 ** Math.min(attempt - 1, 52), max);
}
