/** Properties and headers between the library's form and amqplib's. */

import { Buffer } from "node:buffer";
import type { MessagePropertyHeaders, Options } from "amqplib";
import { readExpiration, readTimestamp } from "./decode_properties.ts";
import type { FieldTable, FieldValue, MessageProperties, OutgoingMessage } from "./driver.ts";
import { isDecimal, isInt32, isInt64 } from "./field_values.ts";
import { seconds } from "./put_values.ts";

const TEXT_PROPERTIES = [
  "contentType",
  "contentEncoding",
  "correlationId",
  "replyTo",
  "messageId",
  "type",
  "userId",
  "appId",
] as const;

/** amqplib's form of the properties of a message. */
export function encodeProperties(message: OutgoingMessage): Options.Publish {
  const { properties, headers } = message;
  for (const name of TEXT_PROPERTIES) checkText(properties[name]);
  return {
    contentType: properties.contentType,
    contentEncoding: properties.contentEncoding,
    priority: properties.priority,
    correlationId: properties.correlationId,
    replyTo: properties.replyTo,
    expiration: properties.expirationMs?.toString(),
    messageId: properties.messageId,
    timestamp: properties.timestamp === undefined ? undefined : seconds(properties.timestamp),
    type: properties.type,
    userId: properties.userId,
    appId: properties.appId,
    headers: headers && encodeTable(headers) as MessagePropertyHeaders,
    persistent: true,
    mandatory: message.mandatory,
  };
}

/** amqplib's form of a table of headers or arguments. */
export function encodeTable(table: FieldTable): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(table)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [checkText(key), encodeValue(value!)]),
  );
}

/** amqplib would write other bytes than those that it stands for. */
function checkText(text: string | undefined): string | undefined {
  if (text?.isWellFormed() === false) throw new TypeError("it has a text that is not UTF-8");
  return text;
}

function encodeValue(value: FieldValue): unknown {
  if (typeof value === "number") {
    // amqplib would write integers of 8 and 16 bits, which other clients cannot read, and cannot
    // write some doubles that it takes for integers.
    return { "!": isInt32(value) ? "int32" : isInt64(value) ? "int64" : "double", value };
  }
  if (typeof value === "bigint") {
    if (BigInt.asIntN(32, value) === value) return { "!": "int32", value: Number(value) };
    return { "!": "int64", value };
  }
  if (value === null || typeof value !== "object") return value;
  if (value instanceof Date) return { "!": "timestamp", value: seconds(value) };
  if (value instanceof Uint8Array) return toBuffer(value);
  if (Array.isArray(value)) return value.map(encodeValue);
  if (isDecimal(value)) {
    const { places, digits } = value.value;
    return { "!": "decimal", value: { places, digits: digits >>> 0 } };
  }
  const table = encodeTable(value as FieldTable);
  // It takes a key of its own by that name for one of these notes; an inherited one it writes.
  return Object.hasOwn(table, "!") ? Object.create(table) : table;
}

/** A `Buffer` over the same bytes. */
export function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A plain `Uint8Array` over the same bytes. */
export function fromBuffer(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** The library's form of the headers of a message. */
export function decodeTable(table: Record<string, unknown> | undefined): FieldTable {
  // `fromEntries` makes even of the key "__proto__" a property like any other.
  return Object.fromEntries(
    Object.entries(table ?? {}).map(([key, value]) => [key, decodeValue(value)]),
  );
}

function decodeValue(value: unknown): FieldValue {
  if (value === null || typeof value !== "object") return value as FieldValue;
  if (value instanceof Uint8Array) return fromBuffer(value);
  if (Array.isArray(value)) return value.map(decodeValue);
  if ((value as { "!"?: unknown })["!"] === "timestamp") {
    return readTimestamp(Number((value as { value?: unknown }).value));
  }
  return decodeTable(value as Record<string, unknown>);
}

/** The library's form of the properties of a message: those that it has. */
export function decodeProperties(raw: Record<string, unknown>): MessageProperties {
  const properties: { -readonly [Name in keyof MessageProperties]: MessageProperties[Name] } = {};
  for (const name of TEXT_PROPERTIES) {
    const value = raw[name];
    if (typeof value === "string") properties[name] = value;
  }
  const { deliveryMode, priority, expiration, timestamp } = raw;
  if (deliveryMode === 1 || deliveryMode === 2) properties.deliveryMode = deliveryMode;
  if (typeof priority === "number") properties.priority = priority;
  const expirationMs = typeof expiration === "string" ? readExpiration(expiration) : undefined;
  if (expirationMs !== undefined) properties.expirationMs = expirationMs;
  if (typeof timestamp === "number") properties.timestamp = readTimestamp(timestamp);
  return properties;
}
