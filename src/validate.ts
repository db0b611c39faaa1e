import { ConfigurationError } from "./errors.ts";
import { printable } from "./printable.ts";

/** The largest delay a timer takes; a longer one would fire at once. */
export const MAX_TIMER_MS = 2_147_483_647;

/** Shows a value in an error message: short, on one line, and unmistakable. */
export function show(value: unknown): string {
  if (typeof value === "string") {
    return printable(JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value));
  }
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return "a function";
  if (value === null || typeof value !== "object") return String(value);
  return Array.isArray(value) ? "an array" : `an object (${className(value)})`;
}

function className(value: object): string {
  try {
    return String(value.constructor?.name ?? "no class");
  } catch {
    return "no class"; // It is a getter that throws, or worse.
  }
}

/** Refuses the value of an option, and says what it must be. */
export function refuse(name: string, value: unknown, expected: string): never {
  throw new ConfigurationError(
    `Cannot use option "${name}": received ${show(value)}: it must be ${expected}`,
  );
}

/** Refuses names that are not among the known ones, so that a misspelt option is noticed. */
export function knownOptions(
  what: string,
  options: unknown,
  known: readonly string[],
): Record<string, unknown> {
  if (!isPlainObject(options)) {
    // A string is not shown: it may be a URL with a password.
    const received = typeof options === "string" ? "a string" : show(options);
    throw new ConfigurationError(
      `Cannot use the ${what}: received ${received}: pass an object with ${known.join(", ")}`,
    );
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      const meant = nearest(name, known);
      const advice = meant === undefined ? "" : `did you mean "${meant}"? `;
      throw new ConfigurationError(
        `Cannot use option ${show(name)} of the ${what}: there is no such option: ` +
          `${advice}Use one of ${known.join(", ")}`,
      );
    }
  }
  return options;
}

/** Shorter names are parts of many others. */
const PART_LENGTH = 4;

/** The name that was probably meant: one that resembles it, else the shortest of which it is a part. */
function nearest(name: string, known: readonly string[]): string | undefined {
  if (name.length > 60) return undefined;
  const [best] = known.map((other) => ({ other, distance: editDistance(name, other) }))
    // Beyond a third of its letters it would be a guess.
    .filter(({ other, distance }) => distance <= Math.floor(other.length / 3))
    .sort((one, other) => one.distance - other.distance);
  if (best !== undefined) return best.other;
  const [whole] = known.filter((other) => isPart(name, other) || isPart(other, name))
    .sort((one, other) => one.length - other.length);
  return whole;
}

function isPart(part: string, whole: string): boolean {
  return part.length >= PART_LENGTH && whole.toLowerCase().includes(part.toLowerCase());
}

/** How many letters to insert, leave out, replace or swap with the next; upper case counts as lower. */
function editDistance(one: string, other: string): number {
  const [a, b] = [one.toLowerCase(), other.toLowerCase()];
  let [before, last]: number[][] = [[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      row[j] = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + change);
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwapped) row[j] = Math.min(row[j], before[j - 2] + 1);
    }
    [before, last] = [last, row];
  }
  return last[b.length];
}

/** Whether a value is an object made by `{}`, and neither an array nor of any class. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (value === null || typeof value !== "object") return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype ||
    // One of another realm, such as one that came through structured cloning.
    Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "isPrototypeOf");
}

/** A whole number within a range, or the default if it is `undefined`. */
export function integer(
  name: string,
  value: unknown,
  range: { min: number; max: number; unit?: string },
  otherwise: number,
): number {
  if (value === undefined) return otherwise;
  if (!Number.isInteger(value) || (value as number) < range.min || (value as number) > range.max) {
    const unit = range.unit === undefined ? "" : ` ${range.unit}`;
    refuse(name, value, `a whole number from ${range.min} to ${range.max}${unit}`);
  }
  return value as number;
}

/** A duration in milliseconds, or the default if it is `undefined`. */
export function milliseconds(name: string, value: unknown, min: number, otherwise: number): number {
  return integer(name, value, { min, max: MAX_TIMER_MS, unit: "milliseconds" }, otherwise);
}

/** Refuses half characters: the string would arrive as another, which a return could not be told by. */
export function wellFormed(name: string, value: string): string {
  if (!value.isWellFormed()) {
    refuse(name, value, "a string without half characters (lone surrogates), as slice() may leave");
  }
  return value;
}

/** A duration in milliseconds, or `undefined`. */
export function optionalMilliseconds(
  name: string,
  value: unknown,
  min: number,
): number | undefined {
  return value === undefined ? undefined : milliseconds(name, value, min, min);
}

const encoder = new TextEncoder();
const scratch = new Uint8Array(3 * 256);

/** How many bytes a string has in UTF-8. */
export function utf8Bytes(value: string): number {
  return value.length <= 256
    ? encoder.encodeInto(value, scratch).written
    : encoder.encode(value).length;
}

/** A string whose UTF-8 form has at most `maxBytes` bytes. */
export function text(name: string, value: unknown, maxBytes = 255): string {
  if (typeof value !== "string") refuse(name, value, "a string");
  wellFormed(name, value);
  // A string of n characters has n to 3n bytes: most need no encoding to be measured.
  if (value.length * 3 > maxBytes && utf8Bytes(value) > maxBytes) {
    refuse(name, value, `a string of at most ${maxBytes} bytes in UTF-8`);
  }
  return value;
}

/** As {@linkcode text}, but neither missing nor empty. */
export function nonEmptyText(name: string, value: unknown, maxBytes = 255): string {
  const checked = text(name, value, maxBytes);
  if (checked === "") refuse(name, value, "a string that is not empty");
  return checked;
}

/** One of a few words. */
export function oneOf<T extends string>(
  name: string,
  value: unknown,
  words: readonly T[],
  otherwise: T,
): T {
  if (value === undefined) return otherwise;
  if (!words.includes(value as T)) {
    refuse(name, value, words.map((word) => `"${word}"`).join(" or "));
  }
  return value as T;
}

/** A function, or `undefined`. */
// deno-lint-ignore no-explicit-any
export function optionalFunction<F extends (...args: any[]) => unknown>(
  name: string,
  value: unknown,
): F | undefined {
  if (value !== undefined && typeof value !== "function") refuse(name, value, "a function");
  return value as F | undefined;
}

/** A boolean, or the default if it is `undefined`. */
export function boolean(name: string, value: unknown, otherwise: boolean): boolean {
  if (value === undefined) return otherwise;
  if (typeof value !== "boolean") refuse(name, value, "true or false");
  return value;
}

/** An abort signal, or `undefined`. */
export function optionalSignal(name: string, value: unknown): AbortSignal | undefined {
  if (value !== undefined && !(value instanceof AbortSignal)) refuse(name, value, "an AbortSignal");
  return value;
}
