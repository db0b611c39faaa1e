import type { FieldTable } from "./amqp/driver.ts";
import { ConfigurationError } from "./errors.ts";
import { isPlainObject, show, utf8Bytes, wellFormed } from "./validate.ts";

/** amqplib encodes a table into a buffer of this size. */
const MAX_TABLE_BYTES = 65_536;
const MAX_DEPTH = 32;

/**
 * Checks a table of headers or arguments: what cannot be written faithfully is refused, since the
 * encoder would throw, or write something else in its place.
 *
 * @param name What the table is called in an error message.
 * @param table The table.
 */
export function checkTable(name: string, table: unknown): FieldTable {
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
  return table as FieldTable;
}

/** A copy of a table that was checked, which the program cannot change. */
export function copyTable(name: string, table: unknown): FieldTable {
  const checked = checkTable(name, table);
  try {
    return structuredClone(checked);
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
    const keyBytes = utf8Bytes(wellFormed(`a key of ${name}`, key));
    if (keyBytes > 255) {
      throw new ConfigurationError(
        `Cannot use option "${name}": its key ${show(key)} has ${keyBytes} bytes: at most 255 fit`,
      );
    }
    if (key === "!") {
      throw new ConfigurationError(
        `Cannot use option "${name}": the key "!" is reserved by the encoder: use another`,
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
      if (Number.isFinite(value)) return 9;
      break;
    case "object":
      return value === null ? 1 : objectBytes(name, value, depth);
  }
  throw new ConfigurationError(
    `Cannot use option "${name}": received ${show(value)}: it must be a string, a finite number, ` +
      `a boolean, null, a Date, a Uint8Array, or an array or plain object of these`,
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
    if (!Number.isInteger(time / 1000) || time < 0) {
      throw new ConfigurationError(
        `Cannot use option "${name}": received a Date of ${time} ms: an AMQP timestamp holds ` +
          `whole seconds since 1970: round it, or send date.toISOString()`,
      );
    }
    return 9;
  }
  if (isPlainObject(value)) return 1 + tableBytes(name, value, depth + 1);
  throw new ConfigurationError(
    `Cannot use option "${name}": received ${show(value)}: it must be a plain object, an array, ` +
      `a Date or a Uint8Array`,
  );
}
