import { assert, assertEquals, assertThrows } from "@std/assert";
import type { OutgoingMessage, Settlement } from "../../src/amqp/driver.ts";
import { encodePublish, encodeSettlement } from "../../src/amqp/encode_frames.ts";
import { FrameWriter } from "../../src/amqp/frame_writer.ts";
import { ConfigurationError } from "../../src/errors.ts";
import { prepareMessage } from "../../src/send_options.ts";
import { frame } from "../support/amqp_server.ts";
import { type AmqplibItself, amqplibItself } from "../support/amqplib_itself.ts";
import { caseName, casesToRun, randomOfCase } from "../support/fuzz.ts";
import { RecordingSink } from "../support/recording_sink.ts";
import { WireReader } from "../support/wire_reader.ts";
import { WildOptions } from "../support/wild_options.ts";

const CASES = 4_000;
const FRAME_MAX = 131_072;
/** The largest frame of a body of up to 256 KiB, whatever is allowed. */
const MEDIUM_FRAME_BYTES = 65_536;

/** The frames that one act of the fast paths writes. */
function written(act: (writer: FrameWriter) => void): Uint8Array {
  const sink = new RecordingSink();
  const writer = new FrameWriter(sink);
  act(writer);
  writer.flush();
  return sink.writes.length === 1 ? sink.writes[0] : sink.bytes;
}

/** Both must write the same. */
function assertSame(
  plain: AmqplibItself,
  message: OutgoingMessage,
  name: string,
  frameMax = FRAME_MAX,
): void {
  const isLarge = message.body.length > 256 * 1024;
  const most = isLarge ? frameMax : Math.min(frameMax, MEDIUM_FRAME_BYTES);
  const expected = plain.written(() => plain.channel.publish(message), most);
  // Where there are no headers, amqplib writes an empty table.
  const same = { ...message, headers: message.headers ?? {} };
  const actual = written((writer) => encodePublish(writer, plain.number, same, frameMax));
  const at = expected.findIndex((byte, at) => byte !== actual[at]);
  assert(
    at === -1 && actual.length === expected.length,
    `${name}: ${actual.length} bytes instead of ${expected.length}, other than expected from ` +
      `${at} on: ${Deno.inspect(message)}`,
  );
}

/** All texts and keys of a message in one. */
function textsOf(value: unknown): string {
  if (value === null || typeof value !== "object" || value instanceof Uint8Array) return `${value}`;
  return Object.entries(value).filter(([, item]) => item !== undefined)
    .map(([key, item]) => `${key} ${textsOf(item)}`).join(" ");
}

function messageForTest(given: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return {
    ...prepareMessage({ exchange: "", routingKey: "work", body: "x" }, () => "id"),
    ...given,
  };
}

Deno.test("encodePublish writes what amqplib would, whatever the message (fuzz)", async () => {
  await using plain = await amqplibItself();
  const cases = casesToRun(CASES);
  let compared = 0;
  for (const index of cases) {
    let message: OutgoingMessage;
    try {
      message = prepareMessage(new WildOptions(randomOfCase(index)).options(), () => `id-${index}`);
    } catch (error) {
      if (error instanceof ConfigurationError) continue;
      throw error;
    }
    // amqplib would write other bytes, so that this is refused where there is no fast lane.
    if (/\p{Surrogate}/u.test(textsOf(message))) {
      assertThrows(() => plain.channel.publish(message), ConfigurationError, "not UTF-8");
      continue;
    }
    compared++;
    assertSame(plain, message, caseName(index));
  }
  assert(compared > 2_000 || cases.length < CASES, `${compared}`);
});

Deno.test("encodePublish cuts bodies of any size into frames as amqplib does", async () => {
  await using plain = await amqplibItself();
  for (const frameMax of [4_096, MEDIUM_FRAME_BYTES, FRAME_MAX]) {
    const most = Math.min(frameMax, MEDIUM_FRAME_BYTES) - 8;
    for (
      const size of [
        ...[0, 1, 2_000, most - 1, most, most + 1],
        ...[2 * most - 1, 2 * most, 2 * most + 1, 5 * most + 17],
        ...[262_144, 262_145, 1_000_000],
      ]
    ) {
      const body = Uint8Array.from({ length: size }, (_, at) => at % 251);
      assertSame(plain, messageForTest({ body }), `${size} bytes in ${frameMax}`, frameMax);
    }
  }
});

Deno.test("encodePublish writes every property, alone and with all others, as amqplib does", async () => {
  await using plain = await amqplibItself();
  const longest = "€".repeat(85);
  const all: OutgoingMessage["properties"] = {
    contentType: longest,
    contentEncoding: longest,
    priority: 255,
    correlationId: longest,
    replyTo: longest,
    expirationMs: 4_294_967_295,
    messageId: longest,
    timestamp: new Date(2 ** 40 * 1_000 + 999),
    type: longest,
    userId: longest,
    appId: longest,
  };
  const headers = { a: 1 };
  const extremes = { exchange: longest, routingKey: longest, headers };
  assertSame(plain, messageForTest({ ...extremes, properties: all }), "all");
  assertSame(plain, messageForTest({ properties: {}, mandatory: false }), "none");
  for (const [name, value] of Object.entries(all)) {
    assertSame(plain, messageForTest({ properties: { [name]: value } }), name);
  }
});

Deno.test("encodePublish writes headers up to 64 KiB as amqplib does", async () => {
  await using plain = await amqplibItself();
  for (const size of [4_000, 5_000, 21_000, 22_000, 60_000, 65_525]) {
    for (const value of ["x".repeat(size), new Uint8Array(size)]) {
      assertSame(plain, messageForTest({ headers: { k: value } }), `${size} bytes`);
    }
  }
  const numbers = [0, 1, 7, 8, 15, 16, 31, 32, 49, 50, 53, 62, 63, 64].flatMap((bits) =>
    [-1, -0.5, 0, 0.5, 1].flatMap((more) => [2 ** bits + more, -(2 ** bits) + more])
  );
  assertSame(plain, messageForTest({ headers: { numbers: [...numbers, -0, 0] } }), "numbers");
});

Deno.test("encodePublish writes no table where there are no headers", async () => {
  await using plain = await amqplibItself();
  const bytes = written((writer) => encodePublish(writer, 1, messageForTest(), FRAME_MAX));
  const [, header] = new WireReader().read([...bytes]);
  const fields = plain.read(Uint8Array.from(frame(2, 1, [...header.payload])));
  assertEquals([fields.headers, fields.deliveryMode, fields.messageId], [undefined, 2, "id"]);
});

Deno.test("encodeSettlement writes what amqplib would", async () => {
  await using plain = await amqplibItself();
  const settlements: [Settlement, boolean][] = [
    ["ack", false],
    ["ack", true],
    ["reject", false],
    ["requeue", false],
    ["release", false],
  ];
  for (const tag of [1, 255, 256, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]) {
    for (const [how, multiple] of settlements) {
      assertEquals(
        written((writer) => encodeSettlement(writer, plain.number, tag, how, multiple)),
        Uint8Array.from(plain.written(() => plain.channel.settle(tag, how, multiple))),
        `${how} ${tag} ${multiple}`,
      );
    }
  }
});

/** What nobody could write, and what it is refused for. */
const UNWRITABLE: Record<string, { given: Partial<OutgoingMessage>; frameMax?: number }> = {
  "a routing key of 256 bytes": { given: { routingKey: "x".repeat(256) } },
  "an exchange of 256 bytes": { given: { exchange: "é".repeat(128) } },
  "a type of 256 bytes": { given: { properties: { type: "😀".repeat(64) } } },
  "a priority of 256": { given: { properties: { priority: 256 } } },
  "a priority that is a word": {
    given: { properties: { priority: "high" as unknown as number } },
  },
  "a header key of 256 bytes": { given: { headers: { ["k".repeat(256)]: 1 } } },
  "headers of more than 64 KiB": { given: { headers: { k: "x".repeat(66_000) } } },
  "headers that fit into no frame": {
    given: { headers: { k: "x".repeat(4_096) } },
    frameMax: 4_096,
  },
};

for (const [name, { given, frameMax = FRAME_MAX }] of Object.entries(UNWRITABLE)) {
  Deno.test(`encodePublish throws for ${name}, and leaves the writer as it was`, () => {
    const bytes = written((writer) => {
      encodeSettlement(writer, 1, 1, "ack", false);
      const before = writer.end;
      const message = messageForTest(given);
      assertThrows(() => encodePublish(writer, 1, message, frameMax), RangeError);
      // Or a chunk began, for which what was there is written.
      assert(writer.end === before || writer.end === 0);
      encodeSettlement(writer, 1, 2, "ack", false);
    });
    const both = written((writer) => {
      encodeSettlement(writer, 1, 1, "ack", false);
      encodeSettlement(writer, 1, 2, "ack", false);
    });
    assertEquals(bytes, both);
  });
}

Deno.test("encodePublish takes headers that just fit into a frame", () => {
  // Its head and end, class, weight, size and flags; the table, its delivery mode and its id.
  const left = 4_096 - 8 - 14 - (4 + 2 + 5) - 1 - 3;
  for (const [size, fits] of [[left, true], [left + 1, false]] as const) {
    const message = messageForTest({
      properties: { messageId: "id" },
      headers: { k: "x".repeat(size) },
    });
    const encode = () => written((writer) => encodePublish(writer, 1, message, 4_096));
    if (fits) assert(encode().length > 4_096);
    else assertThrows(encode, RangeError, "4097 bytes");
  }
});

Deno.test("encodePublish and encodeSettlement come out in the order in which they were called", () => {
  const message = messageForTest({ body: new Uint8Array(70_000) });
  const parts = [
    written((writer) => encodeSettlement(writer, 3, 1, "release", false)),
    written((writer) => encodePublish(writer, 3, message, FRAME_MAX)),
    written((writer) => encodeSettlement(writer, 3, 2, "ack", true)),
  ];
  const together = written((writer) => {
    encodeSettlement(writer, 3, 1, "release", false);
    encodePublish(writer, 3, message, FRAME_MAX);
    encodeSettlement(writer, 3, 2, "ack", true);
  });
  assertEquals(together, Uint8Array.from(parts.flatMap((part) => [...part])));
});
