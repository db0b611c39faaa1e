import { delay } from "@std/async/delay";

/**
 * Waits until a condition holds. The time limit is only there to end a test that would fail anyway.
 *
 * @param condition Answers a value that is not `undefined` or `false` when it holds.
 */
export async function eventually<T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 60_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  while (true) {
    const answer = await condition();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > deadline) throw new Error(`It never came true that ${what}`);
    await delay(20);
  }
}
