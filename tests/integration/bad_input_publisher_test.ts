/** Options and messages that a publisher refuses, and what it says of them. */

import {
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { ConfigurationError, Publisher } from "../../mod.ts";
import { connectionForTest } from "../support/broker.ts";
import { topology } from "../support/topology.ts";
import { startWiretap } from "../support/wiretap.ts";

/** Bad options, and what the error says of each: the option, the value received, what is allowed. */
type Row = readonly [options: Record<string, unknown>, ...says: string[]];

const MAX = 2_147_483_647;
const LONG = "ü".repeat(128); // 256 bytes of UTF-8.

function received(value: unknown): string {
  if (typeof value === "string") return `received "${value}"`;
  return `received ${typeof value === "bigint" ? `${value}n` : value}`;
}

function numbers(option: string, allowed: string, values: readonly unknown[]): Row[] {
  return values.map((value) => [{ [option]: value }, `"${option}"`, received(value), allowed]);
}

const PUBLISHER_ROWS: readonly Row[] = [
  ...numbers("kind", `"sync" or "async"`, ["SYNC", "", null, 1, true]),
  ...numbers("maxInFlight", "from 1 to 65535", [0, -1, 1.5, NaN, Infinity, 65_536, "9", null, 3n]),
  ...numbers("maxBufferedMessages", "from 1 to 10000000", [0, 1.5, NaN, 10_000_001, "9", null]),
  ...numbers("maxBufferedBytes", `from 1 to ${Number.MAX_SAFE_INTEGER} bytes`, [
    0,
    -1,
    0.5,
    NaN,
    2 ** 53,
    "64 MiB",
  ]),
  ...numbers("sendTimeoutMs", `from 1 to ${MAX} milliseconds`, [0, -1, NaN, MAX + 1, "1s", null]),
  ...numbers("onConnectionLoss", `"resend" or "reject"`, ["retry", true, null]),
  [{ onSendFailure: "log" }, '"onSendFailure"', 'received "log"', "a function"],
  [{ kind: "sync", maxInFlight: 2 }, '"maxInFlight"', "received 2", `use kind "async"`],
  [{ connection: {} }, '"connection"', "received an object", "must be a Connection"],
  [{ connection: null }, '"connection"', "received null", "must be a Connection"],
  [{ maxinflight: 5 }, '"maxinflight"', "no such option", "maxInFlight"],
];

Deno.test("Publisher refuses every bad option, and names it, the value, and what is allowed", () => {
  const connection = connectionForTest();
  for (const [options, ...says] of PUBLISHER_ROWS) {
    const error = assertThrows(
      () => new Publisher({ connection, ...options }),
      ConfigurationError,
    );
    assertEquals(error.code, "CONFIGURATION");
    for (const part of says) assertStringIncludes(error.message, part);
  }
  for (const options of [null, 7, "sync", []]) {
    assertThrows(() => new Publisher(options as never), ConfigurationError, "pass an object");
  }
});

const circular: Record<string, unknown> = {};
circular.self = circular;
const nested = (depth: number): unknown => depth === 0 ? 1 : { deeper: nested(depth - 1) };

/** What a header may not be, and where the error says that it is. */
const BAD_HEADERS: readonly Row[] = [
  [{ a: NaN }, '"headers.a"', "received NaN", "a finite number"],
  [{ a: Infinity }, '"headers.a"', "received Infinity"],
  [{ a: 2n ** 63n }, '"headers.a"', `received ${2n ** 63n}n`, "64 bits at most"],
  [{ a: () => {} }, '"headers.a"', "received a function"],
  [{ a: Symbol("s") }, '"headers.a"', "received Symbol(s)"],
  [{ a: new Map() }, '"headers.a"', "received an object (Map)"],
  [{ a: new Date(NaN) }, '"headers.a"', "seconds since 1970"],
  [{ a: new Date(-1) }, '"headers.a"', "seconds since 1970"],
  [{ a: { b: [1, { c: NaN }] } }, '"headers.a.b[1].c"', "received NaN"],
  [{ a: [undefined] }, '"headers.a[0]"', "received undefined"],
  [circular, "circular"],
  [{ a: nested(300) }, "nested more than 256 deep"],
  [{ ["k".repeat(129)]: 1 }, "129 bytes", "1 to 128"],
  [{ "": 1 }, "0 bytes", "1 to 128"],
  [{ a: { "!": "int", value: 1 } }, '"!"'],
  [{ a: "x".repeat(70_000) }, '"headers"', "65536 bytes"],
];

const MESSAGE_ROWS: readonly Row[] = [
  ...BAD_HEADERS.map(([headers, ...says]): Row => [{ headers }, ...says]),
  ...[null, 7, "a=b", [], new Map()].map((
    headers,
  ): Row => [{ headers }, '"headers"', "plain object"]),
  ...numbers("expirationMs", "from 0 to 4294967295 milliseconds", [
    -1,
    0.5,
    NaN,
    2 ** 32,
    "1000",
    null,
  ]),
  ...numbers("priority", "from 0 to 255", [-1, 256, 1.5, NaN, "high", null]),
  ...[
    "correlationId",
    "replyTo",
    "contentType",
    "contentEncoding",
    "type",
    "messageId",
    "userId",
    "appId",
  ]
    .flatMap((option): Row[] => [
      [{ [option]: 7 }, `"${option}"`, "received 7", "a string"],
      [{ [option]: null }, `"${option}"`, "received null", "a string"],
      [{ [option]: LONG }, `"${option}"`, "at most 255 bytes"],
    ]),
  [{ timestamp: 0 }, '"timestamp"', "received 0", "a valid Date"],
  [{ timestamp: new Date(NaN) }, '"timestamp"', "a valid Date"],
  [{ timestamp: new Date(-1) }, '"timestamp"', "1970"],
  ...numbers("body", "a string or a Uint8Array", [7, null, true]),
  [{ body: [1, 2] }, '"body"', "an array", `"json"`],
  [{ body: new ArrayBuffer(1) }, '"body"', "ArrayBuffer"],
  [{ body: undefined }, `without a body`, `"json"`],
  [{ json: 1 }, '"body" and "json"'],
  [{ body: undefined, json: 1n }, '"json"', "BigInt"],
  [{ body: undefined, json: circular }, '"json"', "circular"],
  [{ body: undefined, json: () => {} }, '"json"', "a function"],
  [{ exchange: "e" }, '"exchange"', "no such option"],
  [{ queueName: "" }, '"queueName"', "not empty", 'once "start()" of its consumer'],
  [{ queueName: undefined }, '"queueName"', "received undefined"],
  [{ queueName: LONG }, '"queueName"', "at most 255 bytes"],
  [{ ttl: 5 }, '"ttl"', "no such option", "expirationMs"],
  [{ callbacks: { ack: () => {} } }, '"ack"', "ackCallback"],
  [{ callbacks: { ackCallback: "f" } }, '"callbacks.ackCallback"', "a function"],
  [{ callbacks: null }, "callbacks", "received null"],
];

Deno.test("Publisher refuses every bad message, sends nothing of it, and goes on (27, 41, 42)", async () => {
  await using made = await topology();
  const queueName = await made.queue();
  await using wiretap = startWiretap();
  await using connection = connectionForTest(wiretap.address);
  const publisher = new Publisher({ connection });
  await publisher.start();
  for (const [options, ...says] of MESSAGE_ROWS) {
    const error = await assertRejects(
      () => publisher.sendMessageToQueue({ queueName, body: "", ...options } as never),
      ConfigurationError,
    );
    for (const part of says) assertStringIncludes(error.message, part);
  }
  for (const options of [undefined, null, "queue", []]) {
    await assertRejects(
      () => publisher.sendMessageToQueue(options as never),
      ConfigurationError,
      "pass an object",
    );
  }
  await publisher.sendMessageToQueue({ queueName, body: "good" });
  assertEquals((await made.takeAll(queueName)).map((one) => one.content.toString()), ["good"]);
  assertEquals([wiretap.count("basic.publish"), wiretap.count("channel.open")], [1, 1]);
});

Deno.test("Publisher.sendMessage refuses a bad exchange or routing key (42)", async () => {
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  await publisher.start();
  const rows: Row[] = [
    [{ exchange: undefined }, '"exchange"', "received undefined", "a string"],
    [{ exchange: null }, '"exchange"', "received null"],
    [{ exchange: LONG }, '"exchange"', "at most 255 bytes"],
    [{ routingKey: LONG }, '"routingKey"', "at most 255 bytes"],
    [{ routingKey: 7 }, '"routingKey"', "received 7", "a string"],
    [{ queueName: "q" }, '"queueName"', "no such option", "exchange"],
  ];
  for (const [options, ...says] of rows) {
    const error = await assertRejects(
      () => publisher.sendMessage({ exchange: "amq.direct", body: "", ...options }),
      ConfigurationError,
    );
    for (const part of says) assertStringIncludes(error.message, part);
  }
});

Deno.test("Publisher tells nackCallback of bad input, and the promise is handled", async () => {
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  await publisher.start();
  let failure: Error | undefined;
  void publisher.sendMessageToQueue({
    queueName: "any",
    body: "",
    priority: 256,
    callbacks: { nackCallback: (error) => failure = error },
  });
  assertInstanceOf(failure, ConfigurationError);
});

Deno.test("Publisher refuses bad input before it says that it is not started", async () => {
  const publisher = new Publisher({ connection: connectionForTest() });
  await assertRejects(
    () => publisher.sendMessageToQueue({ queueName: "any", body: "", priority: 256 }),
    ConfigurationError,
    `"priority"`,
  );
});
