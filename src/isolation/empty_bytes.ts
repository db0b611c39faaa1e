/**
 * Before 2.9 a process of Deno panics when it receives a byte array that is empty, and an empty body
 * is nothing special. What it receives in its place is an empty `ArrayBuffer`, which no message holds.
 */

import type { WireMessage } from "./wire.ts";

/** The message without empty byte arrays, on its way to a process. */
export function withoutEmptyBytes(message: WireMessage): object {
  return convert(message, (value) => value instanceof Uint8Array && value.length === 0, () => {
    return new ArrayBuffer(0);
  }) as object;
}

/** The message again, on the other side. */
export function withEmptyBytes(message: object): WireMessage {
  return convert(message, (value) => value instanceof ArrayBuffer, () => {
    return new Uint8Array();
  }) as WireMessage;
}

/** What is in the value, too, replaced if it has to be; the value itself if nothing has. */
function convert(
  value: unknown,
  isOne: (value: unknown) => boolean,
  replacement: () => unknown,
): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (isOne(value)) return replacement();
  if (ArrayBuffer.isView(value) || value instanceof Date) return value;
  const entries = Object.entries(value);
  const converted = entries.map(([key, one]) => [key, convert(one, isOne, replacement)] as const);
  if (converted.every(([, one], index) => one === entries[index][1])) return value;
  return Array.isArray(value) ? converted.map(([, one]) => one) : Object.fromEntries(converted);
}
