import { assertEquals, assertThrows } from "@std/assert";
import type { FieldTable } from "../../src/amqp/driver.ts";
import { encodeTable, putShortText, putUint64 } from "../../src/amqp/put_values.ts";

/** What is left for one value in the largest table, beside lengths, its tag and a key of one byte. */
const MOST_BYTES = 65_536 - 4 - 2 - 1 - 4;

/** Tables with a value that takes so many bytes. */
const TABLES: Record<string, (bytes: number) => FieldTable> = {
  "a plain text": (bytes) => ({ k: "x".repeat(bytes) }),
  "a text of three bytes a character": (bytes) => ({
    k: "€".repeat(bytes / 3) + "x".repeat(bytes % 3),
  }),
  "bytes": (bytes) => ({ k: new Uint8Array(bytes) }),
  "many short values": (bytes) => ({ k: Array.from({ length: bytes }, () => null) }),
};

for (const [name, tableOf] of Object.entries(TABLES)) {
  Deno.test(`encodeTable takes 64 KiB of ${name}, and not a byte more`, () => {
    for (const bytes of [22_000, 40_000, MOST_BYTES - 300, MOST_BYTES - 1, MOST_BYTES]) {
      const encoded = encodeTable(tableOf(bytes));
      assertEquals(encoded.length, 65_536 - MOST_BYTES + bytes);
      assertEquals(new DataView(encoded.buffer).getUint32(0), encoded.length - 4);
    }
    for (const bytes of [MOST_BYTES + 1, MOST_BYTES + 300, 10 * MOST_BYTES]) {
      assertThrows(() => encodeTable(tableOf(bytes)), RangeError, "65536 bytes");
    }
  });
}

Deno.test("encodeTable takes 64 KiB whose last key is the longest there is", () => {
  const last = "k".repeat(255);
  const table = (bytes: number) => ({ k: "x".repeat(bytes - 257), [last]: null });
  assertEquals(encodeTable(table(MOST_BYTES)).length, 65_536);
  assertThrows(() => encodeTable(table(MOST_BYTES + 1)), RangeError, "65536 bytes");
});

Deno.test("putShortText takes 255 bytes of UTF-8, however many characters they are", () => {
  for (const [text, length] of [["x", 255], ["é", 127], ["€", 85], ["😀", 63]] as const) {
    const bytes = new Uint8Array(300);
    const written = new TextEncoder().encode(text.repeat(length));
    assertEquals(putShortText(bytes, 7, text.repeat(length)), 8 + written.length);
    assertEquals(bytes.subarray(7, 8 + written.length), Uint8Array.of(written.length, ...written));
    assertThrows(() => putShortText(bytes, 7, text.repeat(length + 1)), RangeError, "255 bytes");
  }
});

Deno.test("putUint64 keeps every whole number below 2^53", () => {
  const bytes = new Uint8Array(10);
  for (const value of [0, 1, 255, 256, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 3, 2 ** 53 - 1]) {
    assertEquals(putUint64(bytes, 1, value), 9);
    assertEquals(new DataView(bytes.buffer).getBigUint64(1), BigInt(value));
  }
});
