import type { FieldTable } from "./amqp/driver.ts";
import { isDecimal, isInt32 } from "./amqp/field_values.ts";
import { ConfigurationError } from "./errors.ts";
import { encodeRawText, isSendable } from "./raw_text.ts";
import { isPlainObject, show, utf8Bytes, wellFormed } from "./validate.ts";

/** amqplib encodes a table into a buffer of this size. */
const MAX_TABLE_BYTES = 65_536;
/** What is read from a message is nested no deeper, so that all of it can be sent on. */
const MAX_DEPTH = 256;
/** The longest name of a field (AMQP 0-9-1, section 4.2.5.5). */
const MAX_KEY_BYTES = 128;

/**
 * Checks a table of headers or arguments: what cannot be written faithfully is refused, since the
 * encoder would throw, or write something else in its place.
 *
 * @param name What the table is called in an error message.
 * @param table The table.
 */
export function checkTable(name: string, table: unknown): FieldTable {
  measureTable(name, table);
  return table as FieldTable;
}

/** As {@linkcode checkTable}, and says how many bytes the table takes when it is written. */
function measureTable(name: string, table: unknown): number {
  if (!isPlainObject(table)) {
    throw new ConfigurationError(
      `Cannot use option "${name}": received ${show(table)}: it must be a plain object`,
    );
  }
  const bytes = tableBytes(name, table, 0);
  if (bytes > MAX_TABLE_BYTES) {
    throw new ConfigurationError(
      `Cannot use option "${name}": it takes ${bytes} bytes: it must be at most ` +
        `${MAX_TABLE_BYTES} bytes; put large values into the body`,
    );
  }
  return bytes;
}

/** A copy of a table that was checked, which the program cannot change. */
export function copyTable(name: string, table: unknown): FieldTable {
  return copyAndMeasure(name, table).table;
}

/** The same, and how many bytes it takes when it is written. */
export function copyAndMeasure(name: string, table: unknown): { table: FieldTable; bytes: number } {
  const bytes = measureTable(name, table);
  try {
    return { table: structuredClone(table as FieldTable), bytes };
  } catch (cause) {
    throw new ConfigurationError(
      `Cannot use option "${name}": it cannot be copied (${
        (cause as Error).message
      }): give plain ` +
        `values, no proxies`,
      { cause },
    );
  }
}

function tableBytes(name: string, table: Record<string, unknown>, depth: number): number {
  let bytes = 4;
  for (const [key, value] of Object.entries(table)) {
    if (value === undefined) continue;
    if (!isSendable(key)) wellFormed(`a key of ${name}`, key);
    const keyBytes = key.isWellFormed() ? utf8Bytes(key) : encodeRawText(key).length;
    if (keyBytes === 0 || keyBytes > MAX_KEY_BYTES) {
      throw new ConfigurationError(
        `Cannot use option "${name}": its key ${
          show(key)
        } has ${keyBytes} bytes: it must have 1 to ` +
          `${MAX_KEY_BYTES}`,
      );
    }
    bytes += 1 + keyBytes + valueBytes(`${name}.${key}`, value, depth);
  }
  return bytes;
}

/** How many bytes a value takes, its type tag included. */
function valueBytes(name: string, value: unknown, depth: number): number {
  switch (typeof value) {
    case "string":
      return 5 + utf8Bytes(wellFormed(name, value));
    case "boolean":
      return 2;
    case "number":
      if (Number.isFinite(value)) return isInt32(value) ? 5 : 9;
      break;
    case "bigint":
      if (BigInt.asIntN(64, value) === value) return BigInt.asIntN(32, value) === value ? 5 : 9;
      throw new ConfigurationError(
        `Cannot use option "${name}": received ${
          show(value)
        }: an integer has 64 bits at most, from ` +
          `-(2n ** 63n) to 2n ** 63n - 1n: send it as a string`,
      );
    case "object":
      return value === null ? 1 : objectBytes(name, value, depth);
  }
  throw new ConfigurationError(
    `Cannot use option "${name}": received ${show(value)}: it must be a string, a finite number, ` +
      `a bigint, a boolean, null, a Date, a Uint8Array, or an array or plain object of these`,
  );
}

function objectBytes(name: string, value: object, depth: number): number {
  if (depth >= MAX_DEPTH) {
    throw new ConfigurationError(
      `Cannot use option "${
        name.slice(0, 60)
      }…": it is circular or nested more than ${MAX_DEPTH} ` +
        `deep: flatten it`,
    );
  }
  if (Array.isArray(value)) {
    let bytes = 5;
    for (const [index, element] of value.entries()) {
      bytes += valueBytes(`${name}[${index}]`, element, depth + 1);
    }
    return bytes;
  }
  if (value instanceof Uint8Array) return 5 + value.byteLength;
  if (value instanceof Date) {
    const time = value.getTime();
    if (!(time >= 0)) {
      throw new ConfigurationError(
        `Cannot use option "${name}": received a Date of ${time} ms: an AMQP timestamp is a number ` +
          `of seconds since 1970: send date.toISOString(), or a valid Date`,
      );
    }
    return 9;
  }
  if (isDecimal(value)) return 6;
  if (isTyped(value)) {
    throw new ConfigurationError(
      `Cannot use option "${name}": received a value with its type in "!": the one there is takes ` +
        `the form { "!": "decimal", value: { places, digits } } with 0 to 255 places and digits ` +
        `of 32 bits: give a Date for a timestamp, and numbers as they are`,
    );
  }
  if (isPlainObject(value)) return 1 + tableBytes(name, value, depth + 1);
  throw new ConfigurationError(
    `Cannot use option "${name}": received ${show(value)}: it must be a plain object, an array, ` +
      `a Date or a Uint8Array`,
  );
}

/** Whether it has the form in which amqplib takes types: written as a table, it would surprise. */
function isTyped(value: object): boolean {
  return Object.keys(value).length === 2 && Object.hasOwn(value, "!") &&
    typeof (value as { "!": unknown })["!"] === "string" && Object.hasOwn(value, "value");
}
