/** Options of {@linkcode delay}. */
export interface DelayOptions {
  /** Ends the wait early: the promise rejects with the signal's reason. */
  signal?: AbortSignal;
  /**
   * Whether the timer keeps the program alive.
   *
   * @default {true}
   */
  persistent?: boolean;
}

/** The longest time that one timer can hold; a longer one would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Resolves after `ms` milliseconds, or rejects as soon as the signal aborts. */
export function delay(ms: number, options: DelayOptions = {}): Promise<void> {
  const { signal, persistent = true } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    let timer: ReturnType<typeof setTimeout>;
    const wait = (leftMs: number) => {
      timer = setTimeout(
        () => leftMs > LONGEST_TIMER_MS ? wait(leftMs - LONGEST_TIMER_MS) : finish(),
        Math.min(leftMs, LONGEST_TIMER_MS),
      );
      if (!persistent) Deno.unrefTimer(Number(timer));
    };
    const finish = () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    };
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
    wait(Math.max(0, Math.trunc(ms) || 0));
  });
}
