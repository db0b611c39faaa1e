/** What the values of a table are, if their types do not tell. */

import type { DecimalValue } from "./driver.ts";

/** The last second that a `Date` holds. */
export const MAX_DATE_SECONDS = 8_640_000_000_000;

/** Whether a value of a table is a decimal number, and not a table with such keys. */
export function isDecimal(value: object): value is DecimalValue {
  if ((value as { "!"?: unknown })["!"] !== "decimal" || Object.keys(value).length !== 2) {
    return false;
  }
  const number = (value as { value?: unknown }).value;
  if (number === null || typeof number !== "object" || Object.keys(number).length !== 2) {
    return false;
  }
  const { places, digits } = number as Partial<DecimalValue["value"]>;
  return Number.isInteger(places) && places! >= 0 && places! <= 255 && digits === (digits! | 0);
}

/** Whether it is an integer that 32 bits hold; −0 is none. */
export function isInt32(value: number): boolean {
  return value === (value | 0) && !Object.is(value, -0);
}

/** Whether it is an integer that 64 bits hold; −0 is none. */
export function isInt64(value: number): boolean {
  return Number.isInteger(value) && !Object.is(value, -0) && value >= -(2 ** 63) &&
    value < 2 ** 63;
}
