/** The properties and headers of a message, from the bytes of its header frame. */

import type { Buffer } from "node:buffer";
import { MessageDecodeError } from "../errors.ts";
import { printable } from "../printable.ts";
import { decodeRawText, isFaithful } from "../raw_text.ts";
import type { FieldTable, FieldValue, MessageProperties } from "./driver.ts";
import { MAX_DATE_SECONDS } from "./field_values.ts";
import { FLAG } from "./protocol.ts";

/** What a header frame says of a message. */
export interface WireProperties {
  readonly properties: MessageProperties;
  /** The table of headers, without its length; it is decoded only if somebody asks for it. */
  readonly table: Buffer | undefined;
}

/** The texts that come before the headers, and those that come behind the numbers. */
const FIRST = [["contentType", FLAG.contentType], [
  "contentEncoding",
  FLAG.contentEncoding,
]] as const;
const MIDDLE = [["correlationId", FLAG.correlationId], ["replyTo", FLAG.replyTo]] as const;
const LAST = [["type", FLAG.type], ["userId", FLAG.userId], ["appId", FLAG.appId]] as const;
/** No sane message is nested deeper, and the stack is not endless. */
const MAX_DEPTH = 256;

/**
 * Decodes what a header frame holds behind the size of the body.
 *
 * @throws {MessageDecodeError} If it ends too soon.
 */
export function decodeProperties(bytes: Buffer): WireProperties {
  return decoding("properties", () => {
    const properties: { -readonly [Name in keyof MessageProperties]: MessageProperties[Name] } = {};
    const reader = new Reader(bytes);
    const flags = reader.uint16();
    const has = (flag: number) => (flags & flag) !== 0;
    for (const [name, flag] of FIRST) if (has(flag)) properties[name] = reader.shortText();
    const table = has(FLAG.headers) ? reader.longBytes() : undefined;
    if (has(FLAG.deliveryMode)) {
      const mode = reader.uint8();
      if (mode === 1 || mode === 2) properties.deliveryMode = mode;
    }
    if (has(FLAG.priority)) properties.priority = reader.uint8();
    for (const [name, flag] of MIDDLE) if (has(flag)) properties[name] = reader.shortText();
    if (has(FLAG.expiration)) {
      const expirationMs = readExpiration(reader.shortText());
      if (expirationMs !== undefined) properties.expirationMs = expirationMs;
    }
    if (has(FLAG.messageId)) properties.messageId = reader.shortText();
    if (has(FLAG.timestamp)) properties.timestamp = reader.timestamp();
    for (const [name, flag] of LAST) if (has(flag)) properties[name] = reader.shortText();
    return { properties, table };
  });
}

/**
 * Decodes a table of headers.
 *
 * @throws {MessageDecodeError} If it ends too soon, holds an unknown type or is nested too deep.
 */
export function decodeHeaders(table: Buffer): FieldTable {
  return decoding("headers", () => new Reader(table).table(0));
}

function decoding<T>(what: string, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    throw unreadable(what, cause);
  }
}

/** What is thrown when somebody looks at a part of a message that cannot be decoded. */
export function unreadable(what: string, cause: unknown): MessageDecodeError {
  return new MessageDecodeError(
    `Cannot read the ${what} of this message: ` +
      `${printable(cause instanceof Error ? cause.message : String(cause))}: fix the sender`,
    { cause },
  );
}

/** The longest expiration that the broker takes; anything else means nothing. */
const MAX_EXPIRATION_MS = 4_294_967_295;

/** The property `expiration`, which is a text; nothing if it is none that could be sent. */
export function readExpiration(text: string): number | undefined {
  return /^[0-9]+$/.test(text) && Number(text) <= MAX_EXPIRATION_MS ? Number(text) : undefined;
}

/** The largest number below 2^64. */
const MAX_SECONDS = 2 ** 64 - 2_048;

/** A timestamp; a number of seconds if no `Date` holds it. */
export function readTimestamp(seconds: number): Date | number {
  return seconds <= MAX_DATE_SECONDS ? new Date(seconds * 1000) : Math.min(seconds, MAX_SECONDS);
}

/** The text of so many bytes at a place, as a key, an id, an exchange or a routing key has it. */
export function readShortText(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString("utf8", start, end);
  if (!text.includes("\uFFFD")) return text;
  const raw = bytes.subarray(start, end);
  return isFaithful(text, raw) ? text : decodeRawText(raw);
}

/** Reads values one after the other. What reaches beyond the end throws a `RangeError`. */
class Reader {
  #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  uint8(): number {
    return this.#bytes.readUInt8(this.#take(1));
  }

  uint16(): number {
    return this.#bytes.readUInt16BE(this.#take(2));
  }

  shortText(): string {
    const length = this.uint8();
    const start = this.#take(length);
    return readShortText(this.#bytes, start, start + length);
  }

  longBytes(): Buffer {
    const length = this.#bytes.readUInt32BE(this.#take(4));
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  timestamp(): Date | number {
    const at = this.#take(8);
    return readTimestamp(this.#bytes.readUInt32BE(at) * 2 ** 32 + this.#bytes.readUInt32BE(at + 4));
  }

  table(depth: number): FieldTable {
    const table: Record<string, FieldValue> = {};
    while (this.#at < this.#bytes.length) {
      const key = this.shortText();
      const value = this.#value(depth);
      // Assigned, it would become the prototype.
      if (key !== "__proto__") table[key] = value;
      else Object.defineProperty(table, key, { value, ...LIKE_ASSIGNED });
    }
    return table;
  }

  #list(depth: number): FieldValue[] {
    const list: FieldValue[] = [];
    while (this.#at < this.#bytes.length) list.push(this.#value(depth));
    return list;
  }

  #value(depth: number): FieldValue {
    if (depth > MAX_DEPTH) throw new RangeError(`it is nested more than ${MAX_DEPTH} deep`);
    const bytes = this.#bytes;
    const tag = String.fromCharCode(this.uint8());
    switch (tag) {
      case "S":
        return this.#longText();
      case "t":
        return this.uint8() !== 0;
      case "b":
        return bytes.readInt8(this.#take(1));
      case "B":
        return this.uint8();
      case "s":
        return bytes.readInt16BE(this.#take(2));
      case "u":
        return this.uint16();
      case "I":
        return bytes.readInt32BE(this.#take(4));
      case "i":
        return bytes.readUInt32BE(this.#take(4));
      case "l":
      case "L": // The specification's letter for what RabbitMQ, and most others, write as "l".
        return this.#int64();
      case "f":
        return bytes.readFloatBE(this.#take(4));
      case "d":
        return bytes.readDoubleBE(this.#take(8));
      case "D": {
        const places = this.uint8();
        return { "!": "decimal", value: { places, digits: bytes.readInt32BE(this.#take(4)) } };
      }
      case "T":
        return this.#time();
      case "V":
        return null;
      case "x":
        return new Uint8Array(this.longBytes());
      case "F":
        return new Reader(this.longBytes()).table(depth + 1);
      case "A":
        return new Reader(this.longBytes()).#list(depth + 1);
      default:
        throw new TypeError(`it holds a value of the unknown type ${JSON.stringify(tag)}`);
    }
  }

  /** A text, or the bytes if they are no UTF-8. */
  #longText(): string | Uint8Array {
    const bytes = this.longBytes();
    const text = bytes.toString("utf8");
    return isFaithful(text, bytes) ? text : new Uint8Array(bytes);
  }

  /** As {@linkcode timestamp}, but with all the digits that a value of a table can have. */
  #time(): Date | number | bigint {
    const time = this.timestamp();
    if (typeof time !== "number" || time >= 2 ** 63) return time;
    this.#at -= 8;
    return this.#int64();
  }

  #int64(): number | bigint {
    const at = this.#take(8);
    const number = this.#bytes.readInt32BE(at) * 2 ** 32 + this.#bytes.readUInt32BE(at + 4);
    return Number.isSafeInteger(number) ? number : this.#bytes.readBigInt64BE(at);
  }

  /** Steps over so many bytes, and says where they begin. */
  #take(length: number): number {
    const start = this.#at;
    this.#at += length;
    if (this.#at > this.#bytes.length) throw new RangeError("it ends too soon");
    return start;
  }
}

const LIKE_ASSIGNED = { configurable: true, enumerable: true, writable: true } as const;
