import { show, suffix } from "./_message.ts";
import { AssertionError } from "./assertion_error.ts";
import { equal } from "./equal.ts";

/** Anything with a length and items, but for a string. */
export type ArrayLikeArg<T> = ArrayLike<T> & object;

/** The text has a match of the expression. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  if (expected.test(actual)) return;
  throw new AssertionError(`Expected actual: "${actual}" to match: "${expected}"${suffix(msg)}`);
}

/** The text has no match of the expression. */
export function assertNotMatch(actual: string, expected: RegExp, msg?: string): void {
  if (!expected.test(actual)) return;
  throw new AssertionError(
    `Expected actual: "${actual}" to not match: "${expected}"${suffix(msg)}`,
  );
}

/** The text contains the other text. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (actual.includes(expected)) return;
  throw new AssertionError(`Expected actual: "${actual}" to contain: "${expected}"${suffix(msg)}`);
}

/** Each of the expected items is found, in depth, among the actual ones. */
export function assertArrayIncludes<T>(
  actual: ArrayLikeArg<T>,
  expected: ArrayLikeArg<T>,
  msg?: string,
): void {
  const present = Array.from(actual);
  const missing = Array.from(expected).filter((item) => !present.some((one) => equal(one, item)));
  if (missing.length === 0) return;
  throw new AssertionError(
    `Expected actual: "${show(actual)}" to include: "${show(expected)}"${suffix(msg)}\n` +
      `missing: ${show(missing)}`,
  );
}

/** What of `actual` is also named in `expected`, in depth. */
function part(actual: unknown, expected: unknown): unknown {
  if (!isRecord(actual) || !isRecord(expected)) return actual;
  if (Array.isArray(actual) !== Array.isArray(expected)) return actual;
  const shared = Reflect.ownKeys(expected).filter((key) => Object.hasOwn(actual, key));
  const entries = shared.map((key) => [key, part(actual[key], expected[key])] as const);
  if (!Array.isArray(actual)) return Object.fromEntries(entries);
  return entries.filter(([key]) => key !== "length").map(([, item]) => item);
}

function isRecord(value: unknown): value is Record<PropertyKey, unknown> {
  if (typeof value !== "object" || value === null) return false;
  return Array.isArray(value) ||
    !/^\[object (?!Object)/.test(Object.prototype.toString.call(value));
}

/** All that `expected` names is the same in `actual`, which may hold more. */
export function assertObjectMatch(
  // deno-lint-ignore no-explicit-any
  actual: Record<PropertyKey, any>,
  expected: Record<PropertyKey, unknown>,
  msg?: string,
): void {
  const found = part(actual, expected);
  const wanted = part(expected, expected);
  if (equal(found, wanted)) return;
  throw new AssertionError(
    `Values are not equal${suffix(msg)}\nActual: ${show(found)}\nExpected: ${show(wanted)}`,
  );
}
