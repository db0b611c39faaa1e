import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { headerOf, surviveUnreadableHeaders } from "../../src/amqp/readable_headers.ts";
import { frame, long, longlong, method, short, shortstr } from "../support/amqp_server.ts";

const CONTENT_TYPE = 1 << 15;
const CONTENT_ENCODING = 1 << 14;
const HEADERS = 1 << 13;
const PRIORITY = 1 << 11;

/** A header frame; the table is cut out of it or not. */
function header(table: number[], size = 7): number[] {
  const flags = CONTENT_TYPE | CONTENT_ENCODING | HEADERS | PRIORITY;
  return frame(2, 1, [
    ...short(60),
    ...short(0),
    ...longlong(size),
    ...short(flags),
    ...shortstr("text/plain"),
    ...shortstr("gzip"),
    ...long(table.length),
    ...table,
    9,
  ]);
}

/** Takes whole frames off its input as amqplib does, and fails on those that hold a 66 (a "B"). */
function sourceOf(...frames: number[][]) {
  const source = {
    rest: Uint8Array.from(frames.flat()),
    recvFrame(): { fields: { bytes: number[] } } | false {
      if (source.rest.length === 0) return false;
      const end = 8 + new DataView(source.rest.buffer, source.rest.byteOffset).getUint32(3);
      const bytes = source.rest.subarray(0, end);
      source.rest = source.rest.subarray(end);
      if (bytes.includes(66)) throw failure;
      return { fields: { bytes: [...bytes] } };
    },
  };
  return source;
}

const failure = new RangeError("too deep");

Deno.test("surviveUnreadableHeaders reads the frame without its headers, keeps those, and goes on", () => {
  const tables = [[66, 1, 2, 3], [1], [66]];
  const source = sourceOf(...tables.map((table) => header(table)));
  surviveUnreadableHeaders(source);
  for (const table of tables) {
    const frame = source.recvFrame();
    assertEquals(frame && frame.fields.bytes, header(table[0] === 66 ? [] : table));
    // As it came, behind the size of the body and without the end of the frame.
    assertEquals(frame && [...headerOf(frame.fields)!], header(table).slice(19, -1));
  }
  assertEquals(source.recvFrame(), false);
});

Deno.test("surviveUnreadableHeaders leaves what fails for another reason as it is", () => {
  const truncated = header([66, 1, 2, 3]);
  truncated.splice(3, 4, ...long(36)); // Ends within the headers.
  for (
    const bytes of [
      method(1, "basic.deliver", [66]),
      frame(2, 1, [66]),
      frame(2, 1, [...short(60), ...short(0), ...longlong(7), ...short(PRIORITY), 66]),
      header([66]).with(-2, 66), // Behind the headers as well.
      truncated,
    ]
  ) {
    const source = sourceOf(bytes);
    surviveUnreadableHeaders(source);
    assertStrictEquals(assertThrows(() => source.recvFrame()), failure);
  }
});

Deno.test("surviveUnreadableHeaders does nothing where amqplib is not as it was", () => {
  for (const source of [{}, { recvFrame: () => false as const }, { rest: new Uint8Array() }]) {
    const before = { ...source };
    surviveUnreadableHeaders(source);
    assertEquals<unknown>(source, before);
  }
});
