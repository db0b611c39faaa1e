import { deadline } from "@std/async";
import { ConnectionError } from "../errors.ts";

/** Waits for the broker's answer, but not for ever. */
export async function within<T>(promise: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  try {
    return await deadline(promise, timeoutMs);
  } catch (error) {
    if (!(error instanceof DOMException && error.name === "TimeoutError")) throw error;
    throw new ConnectionError(
      `Cannot ${what}: the broker did not answer within ${timeoutMs} ms: see whether it hangs`,
      { code: "BROKER_TIMEOUT", cause: error },
    );
  }
}
