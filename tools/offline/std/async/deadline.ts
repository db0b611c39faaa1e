/** Options of {@linkcode deadline}. */
export interface DeadlineOptions {
  /** Ends the wait early: the promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * The outcome of `p`, unless `ms` milliseconds pass or the signal aborts before it settles.
 *
 * @throws {DOMException} named `TimeoutError`, once the time is over.
 */
export async function deadline<T>(
  p: Promise<T>,
  ms: number,
  options: DeadlineOptions = {},
): Promise<T> {
  const { signal } = options;
  const { promise: cutShort, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal?.reason);
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort, { once: true });
  const timer = ms < Number.MAX_SAFE_INTEGER ? AbortSignal.timeout(ms) : undefined;
  const expire = () => reject(timer?.reason);
  timer?.addEventListener("abort", expire, { once: true });
  try {
    return await Promise.race([cutShort, p]);
  } finally {
    signal?.removeEventListener("abort", abort);
    timer?.removeEventListener("abort", expire);
  }
}
