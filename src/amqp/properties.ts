/** Properties and headers between the library's form and amqplib's. */

import { Buffer } from "node:buffer";
import type { MessagePropertyHeaders, Options } from "amqplib";
import type { FieldTable, FieldValue, MessageProperties, OutgoingMessage } from "./driver.ts";

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
  return {
    contentType: properties.contentType,
    contentEncoding: properties.contentEncoding,
    priority: properties.priority,
    correlationId: properties.correlationId,
    replyTo: properties.replyTo,
    expiration: properties.expirationMs?.toString(),
    messageId: properties.messageId,
    timestamp: properties.timestamp && Math.floor(properties.timestamp.getTime() / 1000),
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
      .map(([key, value]) => [key, encodeValue(value!)]),
  );
}

function encodeValue(value: FieldValue): unknown {
  if (typeof value === "number") {
    // amqplib takes for integers what are none, such as -0, large numbers with a fraction, and those
    // below the smallest 64-bit integer, and then cannot write them.
    const isInteger = Number.isInteger(value) && !Object.is(value, -0) && value >= -(2 ** 63);
    return isInteger ? value : { "!": "double", value };
  }
  if (value === null || typeof value !== "object") return value;
  if (value instanceof Date) return { "!": "timestamp", value: value.getTime() / 1000 };
  if (value instanceof Uint8Array) return toBuffer(value);
  if (Array.isArray(value)) return value.map(encodeValue);
  return encodeTable(value as FieldTable);
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
export function decodeTable(table: Record<string, unknown> | undefined): Record<string, unknown> {
  // `fromEntries` makes even of the key "__proto__" a property like any other.
  return Object.fromEntries(
    Object.entries(table ?? {}).map(([key, value]) => [key, decodeValue(value)]),
  );
}

function decodeValue(value: unknown): unknown {
  if (value === null || typeof value !== "object") return value;
  if (value instanceof Uint8Array) return fromBuffer(value);
  if (Array.isArray(value)) return value.map(decodeValue);
  if ((value as { "!"?: unknown })["!"] === "timestamp") {
    return new Date(Number((value as { value?: unknown }).value) * 1000);
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
  const { priority, expiration, timestamp } = raw;
  if (typeof priority === "number") properties.priority = priority;
  if (typeof expiration === "string" && /^[0-9]+$/.test(expiration)) {
    properties.expirationMs = Number(expiration);
  }
  if (typeof timestamp === "number") properties.timestamp = new Date(timestamp * 1000);
  return properties;
}
