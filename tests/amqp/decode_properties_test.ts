import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { decodeHeaders, decodeProperties } from "../../src/amqp/decode_properties.ts";
import {
  decodeProperties as decodePlainProperties,
  decodeTable,
} from "../../src/amqp/properties.ts";
import { FLAG } from "../../src/amqp/protocol.ts";
import { MessageDecodeError } from "../../src/errors.ts";
import { byte, frame, long, longlong, longstr, short, shortstr } from "../support/amqp_server.ts";
import { amqplibItself } from "../support/amqplib_itself.ts";
import { caseName, casesToRun, randomOfCase } from "../support/fuzz.ts";
import type { Random } from "../support/random.ts";

const CASES = 2_000;
const MAX_DEPTH = 256;

const tag = (type: string) => type.charCodeAt(0);
const counted = (type: string, bytes: number[]) => [tag(type), ...long(bytes.length), ...bytes];
const uint64 = (value: bigint) => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return [...bytes];
};
const bytesOf = (count: number, random: Random) =>
  Array.from({ length: count }, () => random.below(256));

/**
 * A value of a table with its type, any that brokers and their clients write.
 *
 * @param asAmqplib Whether it is to be one that amqplib reads as it was meant.
 */
function value(random: Random, depth: number, asAmqplib = false): number[] {
  const type = random.pick([
    ..."bBsuIifldDTtVSx",
    ...(asAmqplib ? "" : "L"),
    ...(depth < 4 ? "FFAA" : ""),
  ]);
  switch (type) {
    case "t":
      return [tag(type), random.pick([0, 1, 255])];
    case "b":
    case "B":
      return [tag(type), ...bytesOf(1, random)];
    case "s":
    case "u":
      return [tag(type), ...bytesOf(2, random)];
    case "I":
    case "i":
    case "f":
      return [tag(type), ...bytesOf(4, random)];
    case "l":
      return asAmqplib && random.chance(0.5)
        ? [tag(type), 255, 255, 255, ...bytesOf(5, random)]
        : [tag(type), ...(asAmqplib ? [0, 0, 1] : bytesOf(3, random)), ...bytesOf(5, random)];
    case "L":
    case "d":
      return [tag(type), ...bytesOf(8, random)];
    case "D":
      return [tag(type), ...bytesOf(1, random), asAmqplib ? 1 : 255, ...bytesOf(3, random)];
    case "T":
      return random.chance(0.9) || asAmqplib
        ? [tag(type), ...longlong(random.below(2 ** 32))]
        : [tag(type), ...bytesOf(8, random)];
    case "S":
      return random.chance(0.5) || asAmqplib
        ? [tag(type), ...longstr(random.pick(["", "text", "é€😀", "\0"]))]
        : counted(type, bytesOf(random.below(9), random)); // Any bytes, UTF-8 or not.
    case "x":
      return counted(type, bytesOf(random.below(9), random));
    case "F":
      return counted(type, entries(random, depth + 1, asAmqplib).flat());
    case "A":
      return counted(
        type,
        Array.from({ length: random.below(4) }, () => value(random, depth + 1, asAmqplib)).flat(),
      );
  }
  return [tag(type)];
}

/** The entries of a table, one by one. */
function entries(random: Random, depth = 0, asAmqplib = false): number[][] {
  return Array.from({ length: random.below(5) }, () => [
    ...shortstr(random.pick(["a", "b", "", "é", "x-death", "value", "constructor", "toString"])),
    ...value(random, depth, asAmqplib),
  ]);
}

/** What a header frame holds behind the size of the body. */
function header(random: Random, table: number[]): number[] {
  const flags = random.below(2 ** 13) << 3 | FLAG.headers; // All that there are.
  const has = (flag: number) => (flags & flag) !== 0;
  const text = () => shortstr(random.pick(["", "text/plain", "€", "x".repeat(255)]));
  return [
    ...short(flags),
    ...(has(FLAG.contentType) ? text() : []),
    ...(has(FLAG.contentEncoding) ? text() : []),
    ...long(table.length),
    ...table,
    ...(has(FLAG.deliveryMode) ? byte(2) : []),
    ...(has(FLAG.priority) ? bytesOf(1, random) : []),
    ...(has(FLAG.correlationId) ? text() : []),
    ...(has(FLAG.replyTo) ? text() : []),
    ...(has(FLAG.expiration) ? shortstr(random.pick(["0", "60000", "", "-1", "1.5", "soon"])) : []),
    ...(has(FLAG.messageId) ? text() : []),
    ...(has(FLAG.timestamp) ? longlong(random.below(2 ** 32)) : []),
    ...(has(FLAG.type) ? text() : []),
    ...(has(FLAG.userId) ? text() : []),
    ...(has(FLAG.appId) ? text() : []),
  ];
}

function decodeAll(bytes: number[]) {
  const { properties, table } = decodeProperties(Buffer.from(bytes));
  return { properties, headers: table === undefined ? {} : decodeHeaders(table) };
}

Deno.test("decodeProperties and decodeHeaders read what amqplib would, wherever that is right (fuzz)", async () => {
  await using plain = await amqplibItself();
  for (const index of casesToRun(CASES)) {
    const random = randomOfCase(index);
    const bytes = header(random, entries(random, 0, true).flat());
    const fields = plain.read(
      Uint8Array.from(frame(2, 1, [...short(60), ...short(0), ...longlong(0), ...bytes])),
    );
    const expected = {
      properties: decodePlainProperties(fields),
      headers: decodeTable(fields.headers as Record<string, unknown> | undefined),
    };
    assertEquals(decodeAll(bytes), expected, caseName(index));
  }
});

Deno.test("decodeProperties leaves out what a message does not have, its headers too", () => {
  assertEquals(decodeProperties(Buffer.from(short(0))), { properties: {}, table: undefined });
  const { properties, table } = decodeProperties(Buffer.from([
    ...short(FLAG.headers | FLAG.deliveryMode | FLAG.priority | FLAG.expiration),
    ...long(0),
    ...[2, 9],
    ...shortstr("tomorrow"),
  ]));
  assertEquals([properties, table?.length], [{ deliveryMode: 2, priority: 9 }, 0]);
});

Deno.test("decodeHeaders reads every type of value", () => {
  const all: Record<string, [number[], unknown]> = {
    text: [[tag("S"), ...longstr("é😀")], "é😀"],
    yes: [[tag("t"), 1], true],
    no: [[tag("t"), 0], false],
    int8: [[tag("b"), 255], -1],
    uint8: [[tag("B"), 255], 255],
    int16: [[tag("s"), 255, 254], -2],
    uint16: [[tag("u"), 255, 254], 65_534],
    int32: [[tag("I"), 255, 255, 255, 253], -3],
    uint32: [[tag("i"), 255, 255, 255, 253], 4_294_967_293],
    int64: [[tag("l"), ...Array(7).fill(255), 252], -4],
    int64ToTheSpecification: [[tag("L"), ...Array(7).fill(255), 251], -5],
    safe: [[tag("l"), 0, 31, ...Array(6).fill(255)], Number.MAX_SAFE_INTEGER],
    beyond: [[tag("l"), 0, 32, 0, 0, 0, 0, 0, 1], 2n ** 53n + 1n],
    beyondToTheSpecification: [[tag("L"), 128, ...Array(7).fill(0)], -(2n ** 63n)],
    float: [[tag("f"), 0x3F, 0x20, 0, 0], 0.625],
    double: [[tag("d"), 0x3F, 0xE4, 0, 0, 0, 0, 0, 0], 0.625],
    decimal: [[tag("D"), 2, ...long(314)], { "!": "decimal", value: { places: 2, digits: 314 } }],
    debt: [
      [tag("D"), 2, ...long(0xFFFF_FFFF - 99)],
      { "!": "decimal", value: { places: 2, digits: -100 } },
    ],
    raw: [counted("S", [255, 0, 104]), new Uint8Array([255, 0, 104])],
    replaced: [[tag("S"), ...longstr("\uFFFD")], "\uFFFD"],
    mark: [[tag("S"), ...longstr("\uFEFFa")], "\uFEFFa"],
    lastDate: [[tag("T"), ...uint64(8_640_000_000_000n)], new Date(8_640_000_000_000_000)],
    noDate: [[tag("T"), ...uint64(8_640_000_000_001n)], 8_640_000_000_001],
    nanoseconds: [[tag("T"), ...uint64(1_767_225_600_000_000_001n)], 1_767_225_600_000_000_001n],
    lastSecond: [[tag("T"), ...Array(8).fill(255)], 2 ** 64 - 2_048],
    date: [[tag("T"), ...longlong(1_000)], new Date(1_000_000)],
    nothing: [[tag("V")], null],
    bytes: [counted("x", [1, 2]), new Uint8Array([1, 2])],
    table: [counted("F", [...shortstr("a"), tag("V")]), { a: null }],
    list: [counted("A", [tag("V"), tag("b"), 1]), [null, 1]],
  };
  const table = Object.entries(all).flatMap(([key, [bytes]]) => [...shortstr(key), ...bytes]);
  const decoded = decodeHeaders(Buffer.from(table));
  assertEquals(
    decoded,
    Object.fromEntries(Object.entries(all).map(([key, [, value]]) => [key, value])),
  );
  assertEquals((decoded.bytes as Uint8Array).constructor, Uint8Array);
});

/** A header with all properties that are texts, of these bytes. */
function withTexts(bytes: number[]): Buffer {
  const flags = FLAG.contentType | FLAG.contentEncoding | FLAG.correlationId | FLAG.replyTo |
    FLAG.messageId | FLAG.type | FLAG.userId | FLAG.appId;
  const text = [bytes.length, ...bytes];
  return Buffer.from([...short(flags), ...Array(8).fill(text).flat()]);
}

Deno.test("decodeProperties keeps apart texts that are not UTF-8, and takes others as they are", () => {
  const texts = new Map([
    ["id \udcff\udc80", [105, 100, 32, 255, 128]],
    ["\udcc3", [0xC3]],
    ["\udcc3(", [0xC3, 0x28]],
    ["\udced\udca0\udc80", [0xED, 0xA0, 0x80]], // A half character in UTF-8 is none.
    ["\udcc0\udcaf", [0xC0, 0xAF]], // Longer than it need be.
    ["\udcf4\udc90\udc80\udc80", [0xF4, 0x90, 0x80, 0x80]],
    ["é\udcff€😀", [...new TextEncoder().encode("é"), 255, ...new TextEncoder().encode("€😀")]],
    ["\uFFFD", [0xEF, 0xBF, 0xBD]],
    ["\uFFFD\udcff", [0xEF, 0xBF, 0xBD, 255]],
    ["\uFEFFa\udcff", [0xEF, 0xBB, 0xBF, 97, 255]],
  ]);
  for (const [text, bytes] of texts) {
    const { properties } = decodeProperties(withTexts(bytes));
    assertEquals(Object.values(properties), Array(8).fill(text));
  }
  assertEquals(new Set(texts.keys()).size, texts.size);
});

Deno.test("decodeProperties gives only what could be sent as the mode of delivery and the expiration", () => {
  const read = (flag: number, bytes: number[]) =>
    decodeProperties(Buffer.from([...short(flag), ...bytes])).properties;
  const modes = [0, 1, 2, 3, 255].map((mode) => read(FLAG.deliveryMode, [mode]).deliveryMode);
  assertEquals(modes, [undefined, 1, 2, undefined, undefined]);
  for (
    const [text, expirationMs] of [
      ["0", 0],
      ["4294967295", 4_294_967_295],
      ["4294967296", undefined],
      ["9".repeat(200), undefined],
    ] as const
  ) {
    assertEquals(read(FLAG.expiration, shortstr(text)).expirationMs, expirationMs, text);
  }
});

Deno.test("decodeProperties that end too soon are refused as such, wherever they end", () => {
  const random = randomOfCase(0);
  const bytes = [
    ...short(0xFFF8),
    ...shortstr("text/plain"),
    ...shortstr("gzip"),
    ...long(3),
    ...[1, tag("a"), tag("V")],
    ...[2, 5],
    ...["correlation", "reply", "1000", "id"].flatMap(shortstr),
    ...longlong(random.below(2 ** 32)),
    ...["type", "user", "app"].flatMap(shortstr),
  ];
  decodeProperties(Buffer.from(bytes));
  for (let length = 0; length < bytes.length; length++) {
    const decode = () => decodeProperties(Buffer.from(bytes).subarray(0, length));
    const error = assertThrows(decode, MessageDecodeError, "Cannot read the properties");
    assertInstanceOf(error.cause, RangeError);
  }
});

Deno.test("decodeHeaders that end too soon are refused as such, unless they end behind a value", () => {
  for (const index of casesToRun(100)) {
    const parts = entries(randomOfCase(index));
    const table = parts.flat();
    const ends = new Set(parts.map((_, at) => parts.slice(0, at + 1).flat().length)).add(0);
    for (let length = 0; length <= table.length; length++) {
      const decode = () => decodeHeaders(Buffer.from(table).subarray(0, length));
      if (ends.has(length)) decode();
      else assertThrows(decode, MessageDecodeError, "Cannot read the headers", caseName(index));
    }
  }
});

Deno.test("decodeProperties and decodeHeaders throw nothing but MessageDecodeError, whatever they are given (fuzz)", () => {
  let refused = 0;
  const cases = casesToRun(CASES);
  for (const index of cases) {
    const random = randomOfCase(index);
    const bytes = random.chance(0.2)
      ? bytesOf(random.below(200), random)
      : header(random, entries(random).flat());
    for (let flips = random.between(1, 4); flips > 0 && bytes.length > 0; flips--) {
      bytes[random.below(bytes.length)] = random.below(256);
    }
    try {
      decodeAll(bytes);
    } catch (error) {
      assertInstanceOf(error, MessageDecodeError, caseName(index));
      refused++;
    }
  }
  assert(cases.length < CASES || (refused > CASES / 10 && refused < CASES), `${refused}`);
});

/** A value within so many lists, or tables. */
function nested(depth: number, type: "A" | "F"): Buffer {
  let bytes = [tag("V")];
  for (let level = 0; level < depth; level++) {
    bytes = counted(type, type === "A" ? bytes : [...shortstr("k"), ...bytes]);
  }
  return Buffer.from([...shortstr("k"), ...bytes]);
}

for (const type of ["A", "F"] as const) {
  Deno.test(`decodeHeaders refuses what is nested too deep, in ${type === "A" ? "lists" : "tables"}`, () => {
    let value: unknown = decodeHeaders(nested(MAX_DEPTH, type)).k;
    let depth = 0;
    for (; value !== null; depth++) {
      value = (value as Record<string, unknown>)[type === "A" ? 0 : "k"];
    }
    assertEquals(depth, MAX_DEPTH);
    for (const depth of [MAX_DEPTH + 1, 3_000]) {
      assertThrows(
        () => decodeHeaders(nested(depth, type)),
        MessageDecodeError,
        "more than 256 deep",
      );
    }
  });
}

Deno.test("decodeHeaders survives headers that are nested without end", () => {
  const deep: number[] = [];
  for (let level = 25_000; level > 0; level--) deep.push(tag("A"), ...long((level - 1) * 5));
  const bytes = Buffer.from([...shortstr("x"), ...deep]);
  assertThrows(() => decodeHeaders(bytes), MessageDecodeError, "more than 256 deep");
});

Deno.test("decodeHeaders names a type that it does not know", () => {
  for (const type of ["?", "\0", '"']) {
    const bytes = Buffer.from([...shortstr("k"), tag(type)]);
    assertThrows(() => decodeHeaders(bytes), MessageDecodeError, JSON.stringify(type));
  }
});

/** Deno has taken `__proto__` out of all objects; other runtimes have it. */
function withProtoAccessor<T>(use: () => T): T {
  Object.defineProperty(Object.prototype, "__proto__", {
    configurable: true,
    get() {
      return Object.getPrototypeOf(this);
    },
    set(prototype) {
      Object.setPrototypeOf(this, prototype);
    },
  });
  try {
    return use();
  } finally {
    Reflect.deleteProperty(Object.prototype, "__proto__");
  }
}

Deno.test("decodeHeaders changes no prototype, whatever a key is called", () => {
  const polluting = counted("F", [...shortstr("polluted"), tag("t"), 1]);
  const bytes = [
    ...[...shortstr("__proto__"), ...polluting],
    ...[...shortstr("constructor"), ...polluting],
    ...[...shortstr("deep"), ...counted("F", [...shortstr("__proto__"), ...polluting])],
  ];
  const decoded = withProtoAccessor(() => decodeHeaders(Buffer.from(bytes)));
  assertEquals(Object.keys(decoded), ["__proto__", "constructor", "deep"]);
  for (const table of [decoded, decoded.deep as Record<string, unknown>]) {
    assertEquals(Object.getPrototypeOf(table), Object.prototype);
    assertEquals(Object.getOwnPropertyDescriptor(table, "__proto__"), {
      value: { polluted: true },
      configurable: true,
      enumerable: true,
      writable: true,
    });
  }
  assertEquals(({} as { polluted?: boolean }).polluted, undefined);
});
