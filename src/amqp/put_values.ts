/** Values of AMQP 0-9-1 as bytes. Each function returns the place behind what it put. */

import { encodeRawText } from "../raw_text.ts";
import type { FieldTable, FieldValue } from "./driver.ts";
import { isDecimal, isInt32, isInt64 } from "./field_values.ts";

const encoder = new TextEncoder();

export function putUint16(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
  return at + 2;
}

export function putUint32(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
  return at + 4;
}

/** A whole number from 0 to 2^64. */
export function putUint64(bytes: Uint8Array, at: number, value: number): number {
  putUint32(bytes, at, value / 2 ** 32);
  return putUint32(bytes, at + 4, value);
}

/** A point in time in whole seconds, rounded down; a number is one of seconds already. */
export function seconds(time: Date | number): number {
  return typeof time === "number" ? time : Math.floor(time.getTime() / 1000);
}

/** A text behind a length of one byte. */
export function putShortText(bytes: Uint8Array, at: number, text: string): number {
  const { length } = text;
  const start = at + 1;
  // Most are short and plain, for which the encoder costs more than the text.
  if (length <= 64) {
    let index = 0;
    for (; index < length; index++) {
      const code = text.charCodeAt(index);
      if (code > 0x7F) break;
      bytes[start + index] = code;
    }
    if (index === length) {
      bytes[at] = length;
      return start + length;
    }
  }
  if (!text.isWellFormed()) return putRawText(bytes, at, text);
  const { read, written } = encoder.encodeInto(text, bytes.subarray(start, start + 255));
  if (read < length) throw new RangeError(`it has a text of more than 255 bytes in UTF-8`);
  bytes[at] = written;
  return start + written;
}

function putRawText(bytes: Uint8Array, at: number, text: string): number {
  const raw = encodeRawText(text);
  if (raw.length > 255) throw new RangeError(`it has a text of more than 255 bytes`);
  bytes[at] = raw.length;
  bytes.set(raw, at + 1);
  return at + 1 + raw.length;
}

/** The same limit as amqplib's: headers must fit into one frame. */
const MOST_BYTES = 65_536;
/** Room for the next key and number is looked for before it is known how long those are. */
const SLACK_BYTES = 512;

let scratch = new Uint8Array(4_096);

/** A table with its length before it. It is to be copied before the next is encoded. */
export function encodeTable(table: FieldTable): Uint8Array {
  for (;;) {
    try {
      const end = putTable(scratch, 0, table);
      if (end > MOST_BYTES) throw new NoRoom();
      return scratch.subarray(0, end);
    } catch (error) {
      if (!(error instanceof NoRoom) || scratch.length > MOST_BYTES) throw error;
      scratch = new Uint8Array(Math.min(scratch.length * 4, MOST_BYTES + SLACK_BYTES));
    }
  }
}

class NoRoom extends RangeError {
  constructor() {
    super(`its headers take more than ${MOST_BYTES} bytes`);
  }
}

function room(bytes: Uint8Array, at: number, length: number): void {
  if (at + length > bytes.length) throw new NoRoom();
}

function putTable(bytes: Uint8Array, start: number, table: FieldTable): number {
  room(bytes, start, 4);
  let at = start + 4;
  for (const [key, value] of Object.entries(table)) {
    if (value === undefined) continue;
    room(bytes, at, 256);
    at = putValue(bytes, putShortText(bytes, at, key), value);
  }
  putUint32(bytes, start, at - start - 4);
  return at;
}

function putList(bytes: Uint8Array, start: number, list: readonly FieldValue[]): number {
  room(bytes, start, 4);
  let at = start + 4;
  for (const value of list) at = putValue(bytes, at, value);
  putUint32(bytes, start, at - start - 4);
  return at;
}

function putTag(bytes: Uint8Array, at: number, tag: string): number {
  bytes[at] = tag.charCodeAt(0);
  return at + 1;
}

function putValue(bytes: Uint8Array, at: number, value: FieldValue): number {
  room(bytes, at, 9);
  switch (typeof value) {
    case "string": {
      const { read, written } = encoder.encodeInto(value, bytes.subarray(at + 5));
      if (read < value.length) throw new NoRoom();
      return putUint32(bytes, putTag(bytes, at, "S"), written) + written;
    }
    case "boolean":
      bytes[at + 1] = value ? 1 : 0;
      return putTag(bytes, at, "t") + 1;
    case "number":
      return putNumber(bytes, at, value);
    case "bigint":
      return putBigInt(bytes, at, value);
  }
  if (value === null) return putTag(bytes, at, "V");
  if (value instanceof Date) {
    return putUint64(bytes, putTag(bytes, at, "T"), seconds(value));
  }
  if (value instanceof Uint8Array) {
    room(bytes, at, 5 + value.length);
    at = putUint32(bytes, putTag(bytes, at, "x"), value.length);
    bytes.set(value, at);
    return at + value.length;
  }
  if (Array.isArray(value)) return putList(bytes, putTag(bytes, at, "A"), value);
  if (isDecimal(value)) {
    const { places, digits } = value.value;
    at = putTag(bytes, at, "D");
    bytes[at] = places;
    return putUint32(bytes, at + 1, digits);
  }
  return putTable(bytes, putTag(bytes, at, "F"), value as FieldTable);
}

/**
 * An integer in 32 bits, and in 64 if it needs more. Forms of 8 and 16 bits are defined, but other
 * languages' clients read them differently, or fail: one ends a worker of Celery.
 */
function putNumber(bytes: Uint8Array, at: number, value: number): number {
  if (isInt32(value)) return putUint32(bytes, putTag(bytes, at, "I"), value);
  if (isInt64(value)) return putBigInt(bytes, at, BigInt(value));
  new DataView(bytes.buffer, bytes.byteOffset + at).setFloat64(1, value);
  return putTag(bytes, at, "d") + 8;
}

function putBigInt(bytes: Uint8Array, at: number, value: bigint): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at);
  if (BigInt.asIntN(32, value) === value) {
    view.setInt32(1, Number(value));
    return putTag(bytes, at, "I") + 4;
  }
  view.setBigInt64(1, value);
  return putTag(bytes, at, "l") + 8;
}
