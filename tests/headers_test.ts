import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConfigurationError } from "../src/errors.ts";
import { checkTable, copyTable } from "../src/headers.ts";

function assertRefused(table: unknown, ...texts: string[]): void {
  const { message } = assertThrows(() => checkTable("headers", table), ConfigurationError);
  for (const text of texts) assert(message.includes(text), `${message} lacks ${text}`);
}

Deno.test("checkTable takes every type that can be written", () => {
  checkTable("headers", {
    text: "é😀",
    number: -1.5,
    boolean: false,
    nothing: null,
    date: new Date(1_500),
    integer: 2n ** 63n - 1n,
    decimal: { "!": "decimal", value: { places: 255, digits: -(2 ** 31) } },
    "!": "as any other",
    noted: { "!": "timestamp", value: 1, and: 2 },
    ["k".repeat(128)]: 1,
    "raw \udcff": 1,
    bytes: new Uint8Array(3),
    array: [1, "a", [new Date(0)], { deep: true }],
    table: { a: { b: { c: 1 } } },
    missing: undefined,
    bare: Object.assign(Object.create(null), { a: 1 }),
  });
});

Deno.test("checkTable refuses what is no table", () => {
  for (const table of [null, undefined, 1, "a", [], new Map(), new Date(), new (class A {})()]) {
    assertRefused(table, `"headers"`);
  }
});

Deno.test("checkTable refuses what would be written as something else, and says where", () => {
  const values = [
    NaN,
    Infinity,
    2n ** 63n,
    -(2n ** 63n) - 1n,
    Symbol("s"),
    () => {},
    new Map(),
    new Set(),
    /x/,
    new Error("e"),
    new (class Custom {})(),
    new Date(NaN),
    new Date(-1),
    new ArrayBuffer(1),
    new Int32Array(1),
    "half \ud800",
    "raw \udcff", // A long text can hold no such bytes: they are given as a Uint8Array.
    { "!": "decimal", value: { places: 256, digits: 1 } },
    { "!": "decimal", value: { places: 1, digits: 2 ** 31 } },
    { "!": "timestamp", value: 1 },
  ];
  for (const value of values) {
    assertRefused({ a: { b: [0, value] } }, `"headers.a.b[1]"`);
  }
  assertRefused({ a: [undefined] }, `"headers.a[0]"`);
  assertRefused({ a: [, 1] }, `"headers.a[0]"`);
});

Deno.test("checkTable refuses keys that cannot be written", () => {
  assertRefused({ ["x".repeat(129)]: 1 }, "129 bytes");
  assertRefused({ ["é".repeat(65)]: 1 }, "130 bytes");
  assertRefused({ ["\udcff".repeat(129)]: 1 }, "129 bytes");
  assertRefused({ "": 1 }, "0 bytes");
  assertRefused({ a: [{ b: { "": 1 } }] }, `"headers.a[0].b"`, "0 bytes");
  assertRefused({ "\udc00": 1 }, "half characters");
  // Of these two bytes a character would be read.
  assertRefused({ "\udcc3\udca9": 1 }, "half characters");
});

Deno.test("checkTable refuses what is circular or nested too deep, and overflows no stack", () => {
  const circular: Record<string, unknown> = {};
  circular.again = { and: [circular] };
  assertRefused(circular, "circular or nested");
  let deep: unknown = 1;
  for (let depth = 0; depth < 100_000; depth++) deep = [deep];
  assertRefused({ deep }, "circular or nested");
});

Deno.test("checkTable refuses what takes more than 64 KiB, wherever the bytes are", () => {
  const tables = [
    { a: "x".repeat(65_536) },
    { a: "é".repeat(32_768) },
    { a: new Uint8Array(65_536) },
    { a: Array(14_000).fill(0) },
    { a: Array(8_000).fill(2 ** 31) },
    { a: Array(8_000).fill(2n ** 31n) },
    Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`${index}`, true])),
  ];
  for (const table of tables) assertRefused(table, "65536 bytes");
  checkTable("headers", { a: "x".repeat(65_000) });
  checkTable("headers", { a: Array(13_000).fill(0) });
});

Deno.test("checkTable takes what is nested 256 deep, as it may come from a message, and no deeper", () => {
  const nested = (depth: number) => {
    let value: unknown = 1;
    for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { k: value };
    return { value };
  };
  checkTable("headers", nested(256));
  assertRefused(nested(257), "more than 256 deep");
});

Deno.test("copyTable gives a copy that nobody else can change", () => {
  const headers = { a: [1], bytes: new Uint8Array([1]) };
  const copy = copyTable("headers", headers);
  headers.a[0] = 2;
  headers.bytes[0] = 2;
  assertEquals(copy, { a: [1], bytes: new Uint8Array([1]) });
});

Deno.test("copyTable refuses a proxy in words of its own", () => {
  assertThrows(
    () => copyTable("headers", { a: new Proxy({}, {}) }),
    ConfigurationError,
    "cannot be copied",
  );
});
