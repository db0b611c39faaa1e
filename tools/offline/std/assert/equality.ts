import { show, suffix } from "./_message.ts";
import { AssertionError } from "./assertion_error.ts";
import { equal } from "./equal.ts";

/** The lines that two texts have in common stay, the others are marked. */
function difference(actual: string, expected: string): string {
  const [left, right] = [actual.split("\n"), expected.split("\n")];
  let start = 0;
  while (start < Math.min(left.length, right.length) && left[start] === right[start]) start++;
  let end = 0;
  const longest = Math.min(left.length, right.length) - start;
  while (end < longest && left.at(-1 - end) === right.at(-1 - end)) end++;
  return [
    "    [Diff] Actual / Expected",
    ...left.slice(0, start).map((line) => `    ${line}`),
    ...left.slice(start, left.length - end).map((line) => `-   ${line}`),
    ...right.slice(start, right.length - end).map((line) => `+   ${line}`),
    ...left.slice(left.length - end).map((line) => `    ${line}`),
  ].join("\n");
}

function notEqual(msg: string | undefined, actual: unknown, expected: unknown): AssertionError {
  const changes = difference(show(actual), show(expected));
  return new AssertionError(`Values are not equal${suffix(msg)}\n${changes}`);
}

/** Both are the same in depth. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!equal(actual, expected)) throw notEqual(msg, actual, expected);
}

/** The two differ somewhere in depth. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!equal(actual, expected)) return;
  throw new AssertionError(
    `Expected actual: ${show(actual)} not to be: ${show(expected)}${suffix(msg)}`,
  );
}

/** Both are one and the same value. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (Object.is(actual, expected)) return;
  if (show(actual) !== show(expected)) {
    throw new AssertionError(
      `Values are not strictly equal${suffix(msg)}\n${difference(show(actual), show(expected))}`,
    );
  }
  throw new AssertionError(
    `Values have the same structure but are not reference-equal${suffix(msg)}\n\n${show(actual)}\n`,
  );
}

/** The two are not one and the same value. */
export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!Object.is(actual, expected)) return;
  throw new AssertionError(
    `Expected "actual" to not be strictly equal to: ${show(actual)}${suffix(msg)}`,
  );
}
