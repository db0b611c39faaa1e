import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { FrameReader, type FrameSink, type FrameSource } from "../../src/amqp/frame_reader.ts";
import {
  byte,
  closing,
  frame,
  long,
  longlong,
  method,
  short,
  shortstr,
} from "../support/amqp_server.ts";
import { caseName, casesToRun, randomOfCase } from "../support/fuzz.ts";

/** How bytes come in: through the stream, or in memory that is lent, each piece for a moment. */
type Way = "streamed" | "lent";

/** Both ways are to lead to the same. */
function test(name: string, run: (way: Way) => void): void {
  for (const way of ["streamed", "lent"] as const) Deno.test(`${name} (${way})`, () => run(way));
}

/** The input of a connection, and amqplib, which notes the frames that are left to it. */
class Source implements FrameSource {
  rest: Buffer = Buffer.alloc(0);
  maxFrameSize = 1_000;
  recvSinceLastCheck = false;
  readonly stream = {
    read: () => this.#pieces.shift() ?? null,
    emit: () => {
      this.#askForFrames();
      return true;
    },
  };
  /** What happened, in order. */
  readonly told: string[] = [];
  #pieces: Buffer[] = [];
  /** Another while the connection closes. */
  accept: unknown = "as usual";
  #way: Way;
  #reader: FrameReader | undefined;

  constructor(way: Way) {
    this.#way = way;
  }

  /** Who reads. */
  readIn(reader: FrameReader): FrameReader {
    return this.#reader = reader;
  }

  /** As amqplib does. */
  recvFrame(): unknown {
    const { rest } = this;
    const size = rest.length < 7 ? 0 : rest.readUInt32BE(3);
    if (size > this.maxFrameSize) throw new Error("Frame too large");
    if (rest.length < 8 + size) throw new Error("Asked for a frame that is not complete");
    if (rest[7 + size] !== 0xCE) throw new Error("Invalid frame");
    this.rest = rest.subarray(8 + size);
    return describe(rest.subarray(0, 8 + size));
  }

  /** What a channel is told. */
  sink(channel: number, what: "confirm" | "delivery" | "both"): FrameSink {
    const tell = (text: string) => void this.told.push(`${channel}: ${text}`);
    return {
      ...(what === "delivery" ? {} : {
        confirm: (tag, multiple, ok) => tell(`${ok ? "ack" : "nack"} ${tag} ${multiple}`),
      }),
      ...(what === "confirm" ? {} : {
        delivery: ({ tag, redelivered, exchange, routingKey, properties, headers, body }) =>
          tell(JSON.stringify([tag, redelivered, exchange, routingKey, properties, headers, [
            ...body,
          ]])),
      }),
    };
  }

  /** Lets bytes arrive, and receives as amqplib does whenever there is something to read. */
  arrive(...pieces: (readonly number[] | Uint8Array)[]): void {
    for (const piece of pieces) {
      if (this.#way === "lent") this.#lend(Buffer.from(piece));
      else this.#pieces.push(Buffer.isBuffer(piece) ? piece : Buffer.from(piece));
    }
    this.#askForFrames();
  }

  #lend(memory: Buffer): void {
    this.#reader!.read(memory);
    memory.fill(0xEE); // The next to be read goes there.
  }

  #askForFrames(): void {
    for (let frame; (frame = this.recvFrame()) !== false;) this.told.push(`amqplib: ${frame}`);
  }
}

/** Names a frame that amqplib got. */
function describe(bytes: Uint8Array): string {
  return [...bytes].join(" ");
}

/** A source whose channels 1 and 2 receive, and 3 publishes. */
function sourceForTest(way: Way) {
  const source = new Source(way);
  const reader = source.readIn(new FrameReader(source));
  const sinks = [1, 2, 3].map((channel) =>
    source.sink(channel, channel === 3 ? "confirm" : "delivery")
  );
  sinks.forEach((sink, index) => reader.attach(index + 1, sink));
  return { source, reader, sinks };
}

const deliver = (channel: number, tag: number[], redelivered = 0) =>
  method(channel, "basic.deliver", [
    ...shortstr("consumer"),
    ...tag,
    ...byte(redelivered),
    ...shortstr("exchange"),
    ...shortstr("key.é"),
  ]);
const header = (channel: number, size: number, flagsAndProperties: number[] = short(0)) =>
  frame(2, channel, [...short(60), ...short(0), ...longlong(size), ...flagsAndProperties]);
const confirm = (name: "basic.ack" | "basic.nack", tag: number[], bits: number) =>
  method(3, name, [...tag, ...byte(bits)]);
const toAmqplib = (bytes: number[]) => `amqplib: ${bytes.join(" ")}`;

const HEARTBEAT = frame(8, 0, []);
const CONSUME_OK = method(1, "basic.consume-ok", shortstr("consumer"));
const CANCEL = method(2, "basic.cancel", [...shortstr("consumer"), ...byte(1)]);
const RETURN = [
  method(3, "basic.return", [
    ...short(312),
    ...shortstr("NO_ROUTE"),
    ...shortstr(""),
    ...shortstr("k"),
  ]),
  header(3, 2),
  frame(3, 3, [5, 6]),
];
const OTHER_CHANNEL = [deliver(4, longlong(1)), header(4, 1), frame(3, 4, [1])];
const TABLE = [...shortstr("n"), "b".charCodeAt(0), 7];

/** A conversation, and what is to become of it. */
const CONVERSATION: { bytes: number[]; told?: string }[] = [
  { bytes: CONSUME_OK, told: toAmqplib(CONSUME_OK) },
  // No body.
  { bytes: deliver(1, longlong(1)) },
  { bytes: header(1, 0), told: `1: [1,false,"exchange","key.é",{},{},[]]` },
  // One frame, with properties and headers.
  { bytes: deliver(1, longlong(2), 1) },
  {
    bytes: header(1, 3, [
      ...short(1 << 15 | 1 << 13 | 1 << 7),
      ...shortstr("text"),
      ...long(TABLE.length),
      ...TABLE,
      ...shortstr("id"),
    ]),
  },
  {
    bytes: frame(3, 1, [1, 2, 206]),
    told:
      `1: [2,true,"exchange","key.é",{"contentType":"text","messageId":"id"},{"n":7},[1,2,206]]`,
  },
  // Several frames on two channels at once, with others between them.
  { bytes: deliver(1, [...long(1), ...long(3)]) },
  { bytes: deliver(2, longlong(1)) },
  { bytes: HEARTBEAT, told: toAmqplib(HEARTBEAT) },
  { bytes: header(2, 4) },
  { bytes: header(1, 5) },
  { bytes: frame(3, 1, [1, 2]) },
  { bytes: frame(3, 2, [10]) },
  { bytes: CANCEL, told: toAmqplib(CANCEL) },
  { bytes: frame(3, 1, []) },
  { bytes: confirm("basic.ack", longlong(1), 0), told: "3: ack 1 false" },
  {
    bytes: frame(3, 1, [3, 4, 5]),
    told: `1: [${2 ** 32 + 3},false,"exchange","key.é",{},{},[1,2,3,4,5]]`,
  },
  ...RETURN.map((bytes) => ({ bytes, told: toAmqplib(bytes) })),
  {
    bytes: frame(3, 2, [11, 12, 13]),
    told: `2: [1,false,"exchange","key.é",{},{},[10,11,12,13]]`,
  },
  { bytes: confirm("basic.ack", [...long(2), ...long(9)], 1), told: `3: ack ${2 ** 33 + 9} true` },
  { bytes: confirm("basic.nack", longlong(300), 0), told: "3: nack 300 false" },
  // The second bit of a nack says "requeue".
  { bytes: confirm("basic.nack", longlong(301), 3), told: "3: nack 301 true" },
  { bytes: confirm("basic.nack", longlong(302), 2), told: "3: nack 302 false" },
  ...OTHER_CHANNEL.map((bytes) => ({ bytes, told: toAmqplib(bytes) })),
];
const BYTES = CONVERSATION.flatMap(({ bytes }) => bytes);
const TOLD = CONVERSATION.flatMap(({ told }) => told ?? []);

test("FrameReader tells all that arrives in one piece, in its order, and leaves the rest to amqplib", (way) => {
  const { source } = sourceForTest(way);
  source.arrive(BYTES);
  assertEquals(source.told, TOLD);
  assertEquals([source.rest.length, source.recvSinceLastCheck], [0, true]);
});

test("FrameReader tells the same wherever the input is cut", (way) => {
  for (let cut = 1; cut < BYTES.length; cut++) {
    for (const apart of [true, false]) {
      const { source } = sourceForTest(way);
      const pieces = [BYTES.slice(0, cut), BYTES.slice(cut)];
      if (apart) { for (const piece of pieces) source.arrive(piece); }
      else source.arrive(...pieces);
      assertEquals(source.told, TOLD, `cut at ${cut}`);
    }
  }
});

test("FrameReader tells the same where the input comes byte by byte, or in odd pieces (fuzz)", (way) => {
  const byByte = sourceForTest(way).source;
  for (const byte of BYTES) byByte.arrive([byte]);
  assertEquals(byByte.told, TOLD);
  for (const index of casesToRun(300)) {
    const random = randomOfCase(index);
    const { source } = sourceForTest(way);
    for (let at = 0; at < BYTES.length;) {
      const length = random.pick([1, 7, 8, random.between(1, 60), random.between(1, 500)]);
      source.arrive(BYTES.slice(at, at += length));
    }
    assertEquals(source.told, TOLD, caseName(index));
  }
});

test("FrameReader puts large bodies together wherever the input is cut (fuzz)", (way) => {
  for (const index of casesToRun(100)) {
    const random = randomOfCase(index);
    const source = new Source(way);
    source.maxFrameSize = random.pick([0, 100_000]);
    const reader = source.readIn(new FrameReader(source));
    const received: number[][] = [[], []];
    const bodies: [value: number, body: Uint8Array][] = [];
    const conversations = received.map((told, number) => {
      const channel = number + 1;
      reader.attach(channel, {
        delivery: ({ tag, body }) => {
          told.push(tag);
          bodies.push([channel * 10 + tag, body]);
        },
      });
      return Array.from({ length: 4 }, (_, message) => {
        const sizes = Array.from(
          { length: random.between(1, 3) },
          () => random.between(1, random.pick([100, 5_000, 90_000])),
        );
        const size = sizes.reduce((sum, one) => sum + one, 0);
        return [
          deliver(channel, longlong(message + 1)),
          header(channel, size),
          ...sizes.map((one) => frame(3, channel, Array(one).fill(channel * 10 + message + 1))),
        ];
      }).flat();
    });
    const bytes: number[][] = [];
    for (let frames; (frames = conversations.filter(({ length }) => length > 0)).length > 0;) {
      bytes.push(random.chance(0.1) ? HEARTBEAT : random.pick(frames).shift()!);
    }
    const input = Buffer.concat(bytes.map((frame) => Uint8Array.from(frame)));
    if (random.chance(0.2)) {
      for (const frame of bytes) source.arrive(frame);
    } else {
      for (let at = 0; at < input.length;) {
        const length = random.pick([7, random.between(1, 3_000), random.between(1, 250_000)]);
        source.arrive(input.subarray(at, at += length));
      }
    }
    assertEquals(received, [[1, 2, 3, 4], [1, 2, 3, 4]], caseName(index));
    assertEquals(
      source.told.length,
      bytes.filter((frame) => frame === HEARTBEAT).length,
      caseName(index),
    );
    const wrong = bodies.filter(([value, body]) => body.some((byte) => byte !== value));
    assertEquals(wrong.length, 0, caseName(index));
  }
});

test("FrameReader tells what is complete although the next frame is not", (way) => {
  const { source } = sourceForTest(way);
  let at = 0;
  const told: string[] = [];
  for (const part of CONVERSATION) {
    source.arrive(BYTES.slice(at, at += part.bytes.length));
    if (part.told !== undefined) told.push(part.told);
    assertEquals(source.told, told);
  }
});

test("FrameReader begins with what amqplib has read and not decoded", (way) => {
  const source = new Source(way);
  source.rest = Buffer.from(BYTES.slice(0, 100));
  const reader = source.readIn(new FrameReader(source));
  for (const channel of [1, 2, 3]) {
    reader.attach(channel, source.sink(channel, channel === 3 ? "confirm" : "delivery"));
  }
  source.arrive(BYTES.slice(100));
  assertEquals(source.told, TOLD);
});

test("FrameReader leaves everything to amqplib where nobody has attached", (way) => {
  const source = new Source(way);
  source.readIn(new FrameReader(source));
  source.arrive(BYTES);
  assertEquals(source.told, CONVERSATION.map(({ bytes }) => toAmqplib(bytes)));
});

test("FrameReader leaves everything to amqplib while the connection closes", (way) => {
  const { source } = sourceForTest(way);
  source.accept = "closing";
  source.arrive(BYTES);
  assertEquals(source.told, CONVERSATION.map(({ bytes }) => toAmqplib(bytes)));
});

test("FrameReader leaves to amqplib what a channel has no use for", (way) => {
  const delivery = [deliver(3, longlong(1)), header(3, 1), frame(3, 3, [1])];
  const ack = method(1, "basic.ack", [...longlong(1), ...byte(0)]);
  const { source } = sourceForTest(way);
  source.arrive([...delivery.flat(), ...ack]);
  assertEquals(source.told, [...delivery, ack].map(toAmqplib));
});

/** Frames that are not as they should be, of which amqplib is to say so. */
const CUT_SHORT: Record<string, number[]> = {
  "a method without a number": frame(1, 3, []),
  "a method with half a number": frame(1, 3, [0, 60]),
  "a confirm without its bits": method(3, "basic.ack", longlong(1)),
  "a delivery without a routing key": method(1, "basic.deliver", [
    ...shortstr("consumer"),
    ...longlong(1),
    ...byte(0),
    ...shortstr("exchange"),
  ]),
  "a delivery whose routing key is cut": method(1, "basic.deliver", [
    ...shortstr("consumer"),
    ...longlong(1),
    ...byte(0),
    ...shortstr("exchange"),
    ...[9, 1, 2],
  ]),
  "a delivery whose consumer tag is longer than it": method(1, "basic.deliver", [255, 1, 2, 3]),
  "a frame of an unknown type": frame(9, 1, [1]),
  "a header without a delivery": header(1, 0),
  "a body without a delivery": frame(3, 1, [1]),
};

for (const [name, bytes] of Object.entries(CUT_SHORT)) {
  test(`FrameReader leaves ${name} to amqplib`, (way) => {
    for (const next of [[], [HEARTBEAT]]) {
      const { source } = sourceForTest(way);
      source.arrive([bytes, ...next].flat());
      assertEquals(source.told, [bytes, ...next].map(toAmqplib));
    }
  });
}

test("FrameReader leaves a header that is too short, or of another class, to amqplib", (way) => {
  for (const bytes of [frame(2, 1, header(1, 0).slice(7, 20)), header(1, 0).with(8, 61)]) {
    const { source } = sourceForTest(way);
    source.arrive([...deliver(1, longlong(1)), ...bytes]);
    assertEquals(source.told, [toAmqplib(bytes)]);
  }
});

test("FrameReader throws where frames are out of order, as no message can be told from another", (way) => {
  const first = deliver(1, longlong(1));
  const violations: Record<string, number[][]> = {
    "a delivery": [first, deliver(1, longlong(2))],
    "a delivery ": [first, header(1, 1), deliver(1, longlong(2))],
    "a header": [first, header(1, 1), header(1, 1)],
    "more of a body": [first, frame(3, 1, [1])],
    "more of a body   ": [first, frame(3, 1, [])],
    "more of a body ": [first, header(1, 2), frame(3, 1, [1, 2, 3])],
    "more of a body  ": [first, header(1, 2), frame(3, 1, [1]), frame(3, 1, [2, 3])],
  };
  for (const [what, frames] of Object.entries(violations)) {
    const { source } = sourceForTest(way);
    const error = assertThrows(() => source.arrive(frames.flat()), Error);
    assertEquals(error.message, `The broker sent ${what.trim()} when none was due`);
    assertEquals(source.told, []);
  }
});

test("FrameReader throws where a large piece of a body is too much, and keeps nothing of it", (way) => {
  const { source } = sourceForTest(way);
  source.maxFrameSize = 0;
  source.arrive([...deliver(1, longlong(1)), ...header(1, 9_000), ...frame(3, 1, Array(5_000))]);
  const more = frame(3, 1, Array(5_000));
  const error = assertThrows(() => source.arrive([...more, ...HEARTBEAT]), Error);
  assertEquals(error.message, "The broker sent more of a body when none was due");
  assertEquals([source.told.length, source.rest.length], [0, 0]);
});

test("FrameReader leaves a frame that does not end to amqplib, whosever it is", (way) => {
  for (const bytes of [confirm("basic.ack", longlong(1), 0), deliver(1, longlong(1)), HEARTBEAT]) {
    const { source } = sourceForTest(way);
    const before = confirm("basic.nack", longlong(9), 0);
    assertThrows(() => source.arrive([...before, ...bytes.with(-1, 0)]), Error, "Invalid frame");
    assertEquals(source.told, ["3: nack 9 false"]);
  }
});

test("FrameReader keeps what comes behind a frame of which amqplib threw", (way) => {
  const { source } = sourceForTest(way);
  const rest = [HEARTBEAT.with(-1, 0), ...Array(20_000).fill(HEARTBEAT)].flat();
  assertThrows(() => source.arrive([...HEARTBEAT, ...rest]), Error, "Invalid frame");
  assertEquals(source.told, [toAmqplib(HEARTBEAT)]);
  assert(source.rest.equals(Uint8Array.from(rest)));
});

test("FrameReader leaves a frame that is too large to amqplib, before all of it has come", (way) => {
  const { source } = sourceForTest(way);
  source.arrive([...deliver(1, longlong(1)), ...header(1, 5_000), ...frame(3, 1, Array(1_000))]);
  for (const size of [1_001, 4_900]) {
    const head = [3, ...short(1), ...long(size)];
    assertThrows(() => source.arrive(head), Error, "Frame too large");
    source.rest = Buffer.alloc(0);
  }
});

test("FrameReader takes nothing within a frame for a body", (way) => {
  const { source } = sourceForTest(way);
  source.maxFrameSize = 0;
  const likeHead = String.fromCharCode(3, 0, 1, 0, 0, 127, 0);
  const bytes = header(1, 1, [...short(1 << 15), ...shortstr(likeHead)]);
  const cut = bytes.indexOf(3, 20);
  source.arrive([...deliver(1, longlong(1)), ...bytes.slice(0, cut)]);
  source.arrive([...bytes.slice(cut), ...frame(3, 1, [1])]);
  const properties = JSON.stringify({ contentType: likeHead });
  assertEquals(source.told, [`1: [1,false,"exchange","key.é",${properties},{},[1]]`]);
});

test("FrameReader leaves a frame that is too large to amqplib, although all of it has come", (way) => {
  const { source } = sourceForTest(way);
  const tooLarge = [...deliver(1, longlong(1)), ...header(1, 5_000), ...frame(3, 1, Array(1_001))];
  assertThrows(() => source.arrive(tooLarge), Error, "Frame too large");
});

test("FrameReader takes frames of any size where there is no limit", (way) => {
  const { source } = sourceForTest(way);
  source.maxFrameSize = 0;
  const body = new Array(200_000).fill(7);
  source.arrive([...deliver(1, longlong(1)), ...header(1, 200_000), ...frame(3, 1, body)]);
  assertEquals(source.told.length, 1);
});

test("FrameReader takes a body that is larger than what is set aside for one", (way) => {
  const source = new Source(way);
  source.maxFrameSize = 0;
  const reader = source.readIn(new FrameReader(source));
  const bodies: Uint8Array[] = [];
  reader.attach(1, { delivery: ({ body }) => void bodies.push(body) });
  const mebibyte = Buffer.alloc(1024 * 1024, 7);
  source.arrive([...deliver(1, longlong(1)), ...header(1, 17 * mebibyte.length)]);
  for (let count = 0; count < 17; count++) {
    source.arrive([3, ...short(1), ...long(mebibyte.length)], mebibyte, [0xCE]);
  }
  assertEquals(bodies.map(({ length }) => length), [17 * mebibyte.length]);
  assert(bodies[0].every((byte) => byte === 7));
});

test("FrameReader.detach leaves a channel to amqplib, from the next frame on", (way) => {
  const { source, reader, sinks } = sourceForTest(way);
  const ack = (tag: number) => confirm("basic.ack", longlong(tag), 0);
  source.arrive(ack(1));
  reader.detach(3, sinks[2]);
  source.arrive(ack(2));
  assertEquals(source.told, ["3: ack 1 false", toAmqplib(ack(2))]);
});

test("FrameReader.detach within an event holds for the rest of what has arrived", (way) => {
  const source = new Source(way);
  const reader = source.readIn(new FrameReader(source));
  const sink: FrameSink = {
    confirm: (tag) => {
      source.told.push(`confirm ${tag}`);
      reader.detach(3, sink);
    },
  };
  reader.attach(3, sink);
  const acks = [1, 2].map((tag) => confirm("basic.ack", longlong(tag), 0));
  source.arrive(acks.flat());
  assertEquals(source.told, ["confirm 1", toAmqplib(acks[1])]);
});

test("FrameReader.detach gives up what has begun, and not what its successor receives", (way) => {
  const { source, reader, sinks } = sourceForTest(way);
  source.arrive([...deliver(1, longlong(1)), ...header(1, 2), ...frame(3, 1, [1])]);
  reader.detach(1, sinks[0]);
  const rest = frame(3, 1, [2]);
  source.arrive(rest);
  assertEquals(source.told, [toAmqplib(rest)]);
  reader.attach(1, source.sink(1, "delivery"));
  reader.detach(1, sinks[0]); // The channel of before, a moment late.
  source.arrive([...deliver(1, longlong(1)), ...header(1, 0)]);
  assertEquals(source.told[1], `1: [1,false,"exchange","key.é",{},{},[]]`);
});

test("FrameReader gives bodies that are plain bytes, and none keeps much more than itself alive", (way) => {
  const bodies: Uint8Array[] = [];
  const source = new Source(way);
  const reader = source.readIn(new FrameReader(source));
  reader.attach(1, { delivery: ({ body }) => void bodies.push(body) });
  const whole = [...deliver(1, longlong(1)), ...header(1, 300), ...frame(3, 1, Array(300).fill(1))];
  // A little in much memory, as sockets hand it out.
  const memory = Buffer.alloc(64 * 1024);
  memory.set(whole, 10);
  source.arrive(memory.subarray(10, 10 + whole.length));
  source.arrive(whole.slice(0, 400), whole.slice(400));
  source.arrive(
    [...deliver(1, longlong(1)), ...header(1, 2), ...frame(3, 1, [1]), ...frame(3, 1, [1])],
  );
  assertEquals(bodies.map((body) => [body.constructor, body.length]), [
    [Uint8Array, 300],
    [Uint8Array, 300],
    [Uint8Array, 2],
  ]);
  assert(bodies.every((body) => body.every((byte) => byte === 1)));
  assertEquals(bodies[0].buffer.byteLength, whole.length);
});

test("FrameReader notes for the heartbeat that something came, and only then", (way) => {
  const { source } = sourceForTest(way);
  source.arrive();
  assertEquals(source.recvSinceLastCheck, false);
  source.arrive(confirm("basic.ack", longlong(1), 0).slice(0, 3));
  assertEquals(source.recvSinceLastCheck, true);
});

test("FrameReader lets pass what amqplib throws, and what it answers", (way) => {
  const source = new Source(way);
  const answer = {};
  source.recvFrame = function () {
    assertStrictEquals(this, source);
    this.rest = Buffer.alloc(0);
    return answer;
  };
  source.readIn(new FrameReader(source));
  source.rest = Buffer.from(method(0, "connection.close", closing(320, "CONNECTION_FORCED")));
  assertStrictEquals(source.recvFrame(), answer);
});
