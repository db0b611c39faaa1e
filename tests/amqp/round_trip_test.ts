// Whatever a message that was received shows can be given to a send, and arrives as the same.

import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { decodeHeaders, decodeProperties } from "../../src/amqp/decode_properties.ts";
import type { FieldTable, MessageProperties } from "../../src/amqp/driver.ts";
import { encodePublish } from "../../src/amqp/encode_frames.ts";
import { FrameWriter } from "../../src/amqp/frame_writer.ts";
import { FLAG } from "../../src/amqp/protocol.ts";
import { prepareMessage } from "../../src/send_options.ts";
import { byte, long, longlong, longstr, short, shortstr } from "../support/amqp_server.ts";
import { caseName, casesToRun, randomOfCase } from "../support/fuzz.ts";
import type { Random } from "../support/random.ts";
import { RecordingSink } from "../support/recording_sink.ts";
import { WireReader } from "../support/wire_reader.ts";

const CASES = 800;

const tag = (type: string) => type.charCodeAt(0);
const counted = (type: string, bytes: number[]) => [tag(type), ...long(bytes.length), ...bytes];
const anyBytes = (count: number, random: Random) =>
  Array.from({ length: count }, () => random.pick([0, 255, 127, 128, random.below(256)]));
const shortOf = (bytes: number[]) => [bytes.length, ...bytes];

/** A number that is none is the one thing that no broker takes. */
function double(random: Random): number[] {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, (random.next() - 0.5) * 10 ** random.below(300));
  return [...new Uint8Array(view.buffer)];
}

function value(random: Random, depth: number): number[] {
  const type = random.pick([..."bBsuIilLfdDTtVSx", ...(depth < 4 ? "FFAA" : "")]);
  const size = { b: 1, B: 1, t: 1, s: 2, u: 2, I: 4, i: 4, l: 8, L: 8, T: 8, D: 5 }[type];
  if (size !== undefined) return [tag(type), ...anyBytes(size, random)];
  switch (type) {
    case "f":
      return [tag(type), 0x3F, ...anyBytes(3, random)];
    case "d":
      return [tag(type), ...double(random)];
    case "S":
      return random.chance(0.5)
        ? [tag(type), ...longstr(random.pick(["", "é€😀", "\uFFFD", "\uFEFFa"]))]
        : counted(type, anyBytes(random.below(9), random));
    case "x":
      return counted(type, anyBytes(random.below(9), random));
    case "F":
      return counted(type, table(random, depth + 1));
    case "A":
      return counted(
        type,
        Array.from({ length: random.below(4) }, () => value(random, depth + 1)).flat(),
      );
  }
  return [tag(type)];
}

function table(random: Random, depth = 0): number[] {
  return Array.from({ length: random.below(6) }, (_, index) => [
    ...(random.chance(0.1)
      ? shortOf([97 + index, ...anyBytes(random.below(128), random)])
      : shortstr(random.pick(["a", "é", "!", "__proto__", "constructor", "x-death"]))),
    ...value(random, depth),
  ]).flat();
}

function header(random: Random): Buffer {
  const flags = random.below(2 ** 13) << 3;
  const has = (flag: number) => (flags & flag) !== 0;
  const text = () =>
    random.chance(0.5)
      ? shortstr(random.pick(["", "text", "€".repeat(85)]))
      : shortOf(anyBytes(random.pick([1, 8, 16, 255]), random));
  const entries = table(random);
  return Buffer.from([
    ...short(flags),
    ...(has(FLAG.contentType) ? text() : []),
    ...(has(FLAG.contentEncoding) ? text() : []),
    ...(has(FLAG.headers) ? [...long(entries.length), ...entries] : []),
    ...(has(FLAG.deliveryMode) ? byte(random.below(4)) : []),
    ...(has(FLAG.priority) ? anyBytes(1, random) : []),
    ...(has(FLAG.correlationId) ? text() : []),
    ...(has(FLAG.replyTo) ? text() : []),
    ...(has(FLAG.expiration) ? shortstr(random.pick(["0", "4294967295", "5000000000"])) : []),
    ...(has(FLAG.messageId) ? text() : []),
    ...(has(FLAG.timestamp)
      ? random.chance(0.5) ? longlong(random.below(2 ** 32)) : anyBytes(8, random)
      : []),
    ...(has(FLAG.type) ? text() : []),
    ...(has(FLAG.userId) ? text() : []),
    ...(has(FLAG.appId) ? text() : []),
  ]);
}

interface Read {
  readonly properties: MessageProperties;
  readonly headers: FieldTable | undefined;
}

function read(bytes: Buffer): Read {
  const { properties, table } = decodeProperties(bytes);
  return { properties, headers: table === undefined ? undefined : decodeHeaders(table) };
}

/** A whole number is sent as an integer, whatever type it came as. */
function whole(value: unknown): unknown {
  if (typeof value === "number") {
    const isBig = Number.isInteger(value) && !Number.isSafeInteger(value) &&
      Math.abs(value) < 2 ** 63;
    return isBig ? BigInt(value) : value;
  }
  if (Array.isArray(value)) return value.map(whole);
  const isTable = value !== null && typeof value === "object" &&
    Object.getPrototypeOf(value) === Object.prototype;
  if (!isTable) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, whole(item)]));
}

/** What a send with these properties and headers writes as its header. */
function sent({ properties, headers }: Read): Buffer {
  const message = prepareMessage(
    { exchange: "", body: "", ...properties, headers },
    () => "new id",
  );
  const sink = new RecordingSink();
  const writer = new FrameWriter(sink);
  encodePublish(writer, 1, message, 131_072);
  writer.flush();
  const frames = new WireReader().read([...sink.bytes]);
  return Buffer.from(frames[1].payload.slice(12));
}

Deno.test("What a message shows of its properties and headers can be sent, and arrives as the same (fuzz)", () => {
  const seen = new Set<string>();
  for (const index of casesToRun(CASES)) {
    const first = read(header(randomOfCase(index)));
    const again = read(sent(first));
    const { contentType = "application/octet-stream", ...properties } = first.properties;
    assertEquals(again, {
      properties: {
        messageId: "new id",
        ...properties,
        contentType: first.properties.contentType ?? "text/plain; charset=utf-8",
        deliveryMode: 2,
      },
      headers: whole(first.headers) as FieldTable | undefined,
    }, caseName(index));
    assertEquals(sent(again), sent(read(sent(again))), caseName(index));
    for (const item of Object.values(first.headers ?? {})) seen.add(typeof item);
    for (const text of [contentType, first.properties.messageId ?? ""]) {
      seen.add(text.isWellFormed() ? "text" : "raw text");
    }
    seen.add(`timestamp: ${typeof first.properties.timestamp}`);
  }
  const kinds = ["bigint", "raw text", "timestamp: object", "timestamp: number"];
  assert(casesToRun(CASES).length < CASES || kinds.every((kind) => seen.has(kind)), `${[...seen]}`);
});

Deno.test("A Date with milliseconds is sent rounded down, in headers as in properties", () => {
  const time = new Date("2026-01-02T03:04:05.999Z");
  const { properties, headers } = read(sent({
    properties: { timestamp: time },
    headers: { time, deep: [{ time }] },
  }));
  const whole = new Date("2026-01-02T03:04:05Z");
  assertEquals(properties.timestamp, whole);
  assertEquals(headers, { time: whole, deep: [{ time: whole }] });
});

/** The tags of the values of headers, as they are written. */
function tagsOf(headers: FieldTable): string {
  const { table } = decodeProperties(sent({ properties: {}, headers }));
  return Array.from(Object.keys(headers), (key) => {
    const at = table!.indexOf(Buffer.from(shortstr(key)));
    return String.fromCharCode(table![at + 1 + key.length]);
  }).join("");
}

Deno.test("Integers are written in 32 or 64 bits, as other languages' clients read them", () => {
  const headers = {
    one: 1,
    byte: -128,
    tenant: 1_000,
    word: 70_000,
    last: 2 ** 31 - 1,
    first: -(2 ** 31),
    small: 5n,
    more: 2 ** 31,
    less: -(2 ** 31) - 1,
    most: 2n ** 63n - 1n,
    zero: -0,
    part: 0.5,
    beyond: 2 ** 63,
  };
  assertEquals(tagsOf(headers), "IIIIIIIlllddd");
});

Deno.test("Bytes and decimals are written with types of their own", () => {
  const decimal = { "!": "decimal", value: { places: 2, digits: -314 } } as const;
  const headers = { bytes: new Uint8Array([255]), price: decimal, when: new Date(0), no: null };
  assertEquals(tagsOf(headers), "xDTV");
});
