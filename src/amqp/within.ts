import { ConnectionError } from "../errors.ts";

/**
 * Waits for the broker's answer, but not for ever. Nothing is left of it afterwards: thousands of
 * channels may be opened in the time of one such wait.
 */
export async function within<T>(promise: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(
      new ConnectionError(
        `Cannot ${what}: the broker did not answer within ${timeoutMs} ms: see whether it hangs`,
        { code: "BROKER_TIMEOUT" },
      ),
    );
  }, timeoutMs);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
