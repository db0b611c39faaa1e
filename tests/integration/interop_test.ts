/**
 * Headers and properties between this library and clients of other languages, as Debian has them:
 * python3-pika, python3-kombu with py-amqp (what Celery works with), and amqp-tools (librabbitmq).
 */

import { assertEquals } from "@std/assert";
import { Consumer, type FieldTable, type Message, MessageStatus, Publisher } from "../../mod.ts";
import { broker, connectionForTest } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { installed, receiveWith, run, sendWith } from "../support/interop/peers.ts";
import { topology } from "../support/topology.ts";

/** A value of every type. */
const HEADERS = {
  text: "é😀",
  yes: true,
  no: false,
  byte: -1,
  tenant: 1_000,
  int32: -(2 ** 31),
  int64: 2 ** 40,
  debt: -(2 ** 40),
  most: 2n ** 63n - 1n,
  double: 2.5,
  decimal: { "!": "decimal", value: { places: 2, digits: -314 } },
  time: new Date("2026-01-02T03:04:05.678Z"),
  nothing: null,
  bytes: new Uint8Array([255, 0]),
  list: [7, "two", [null]],
  table: { deep: { a: 300 } },
} satisfies FieldTable;

const TIME = 1_767_323_045;

/** The same, as Python has it. */
const IN_PYTHON = {
  text: "é😀",
  yes: true,
  no: false,
  byte: { int: "-1" },
  tenant: { int: "1000" },
  int32: { int: "-2147483648" },
  int64: { int: "1099511627776" },
  debt: { int: `${2n ** 64n - 2n ** 40n}` }, // Both read an "l" without its sign.
  most: { int: "9223372036854775807" },
  double: { float: 2.5 },
  decimal: { decimal: "-3.14" },
  time: { time: TIME },
  nothing: null,
  bytes: { bytes: [255, 0] },
  list: [{ int: "7" }, "two", [null]],
  table: { deep: { a: { int: "300" } } },
};

const PROPERTIES = {
  contentEncoding: "identity",
  priority: 3,
  correlationId: "c\udcff",
  replyTo: "r",
  expirationMs: 60_000,
  messageId: "m",
  timestamp: new Date("2026-01-02T03:04:05.678Z"),
  type: "t",
  appId: "a",
} as const;

const QUEUES = { classic: {}, quorum: { "x-queue-type": "quorum" } };

async function send(queueName: string, headers: FieldTable, properties = {}): Promise<void> {
  await using connection = connectionForTest();
  await using publisher = new Publisher({ connection });
  await publisher.start();
  await publisher.sendMessageToQueue({ queueName, body: "x", headers, ...properties });
}

/** What a task sees of messages, until there are so many. */
async function receive<T>(queueName: string, count: number, see: (message: Message) => T) {
  await using connection = connectionForTest();
  const seen: T[] = [];
  await using consumer = new Consumer({
    connection,
    queueName,
    taskFunction: (message) => {
      seen.push(see(message));
      return MessageStatus.SUCCESS;
    },
  });
  await consumer.start();
  await eventually(`${count} messages have come`, () => seen.length >= count);
  return seen;
}

for (const [type, queueArguments] of Object.entries(QUEUES)) {
  Deno.test({
    name: `pika (python3-pika) reads headers of every type as they are, from a ${type} queue`,
    ignore: !installed.pika,
    async fn() {
      await using made = await topology();
      const queue = await made.queue({ arguments: queueArguments });
      await send(queue, HEADERS, PROPERTIES);
      const [{ headers, properties }] = await receiveWith("pika", queue, 1);
      // pika makes a whole number of every other one.
      assertEquals(headers, { ...IN_PYTHON, double: { int: "2" } });
      assertEquals(properties, {
        content_type: "text/plain; charset=utf-8",
        content_encoding: "identity",
        delivery_mode: { int: "2" },
        priority: { int: "3" },
        correlation_id: { bytes: [99, 255] },
        reply_to: "r",
        expiration: "60000",
        message_id: "m",
        timestamp: { int: `${TIME}` },
        type: "t",
        app_id: "a",
      });
    },
  });

  Deno.test({
    name: `81 kombu with py-amqp (python3-kombu) reads headers of every type, from a ${type} queue`,
    ignore: !installed.kombu,
    async fn() {
      await using made = await topology();
      const queue = await made.queue({ arguments: queueArguments });
      await send(queue, HEADERS, { ...PROPERTIES, correlationId: "c" });
      // What ended a worker of Celery, and the next.
      await send(queue, { tenant: 1_000 }, { priority: PROPERTIES.priority });
      const [first, second] = await receiveWith("kombu", queue, 2);
      assertEquals(first.headers, IN_PYTHON);
      assertEquals(second.headers, { tenant: { int: "1000" } });
      assertEquals([first.properties.correlation_id, first.properties.message_id], ["c", "m"]);
    },
  });

  Deno.test({
    name: `81 Consumer reads every type that kombu with py-amqp writes, from a ${type} queue`,
    ignore: !installed.kombu,
    async fn() {
      await using made = await topology();
      const queue = await made.queue({ arguments: queueArguments });
      await sendWith("kombu", queue);
      const [{ headers, properties }] = await receive(
        queue,
        1,
        ({ headers, properties }) => ({ headers, properties }),
      );
      assertEquals(withoutCount(headers), {
        text: "é😀",
        bytes: new Uint8Array([255, 254, 0]),
        yes: true,
        no: false,
        tenant: 1_000,
        byte: -1,
        word: 2 ** 31 - 1,
        long: 2 ** 31,
        longer: 2n ** 53n + 1n,
        least: -(2n ** 63n),
        double: 0.5,
        decimal: { "!": "decimal", value: { places: 2, digits: -314 } },
        time: new Date("2026-01-02T03:04:05Z"),
        none: null,
        list: [1, "two", [null]],
        table: { a: { b: 1 } },
      });
      assertEquals(properties, {
        contentType: "application/octet-stream",
        contentEncoding: "binary",
        deliveryMode: 2,
        priority: 3,
        correlationId: "c",
        expirationMs: 60_000,
        timestamp: new Date("2026-01-02T03:04:05Z"),
      });
    },
  });

  Deno.test({
    name: `Consumer reads fields of every type there is, written with pika, from a ${type} queue`,
    ignore: !installed.pika,
    async fn() {
      await using made = await topology();
      const queue = await made.queue({ arguments: queueArguments });
      const tag = (type: string) => type.charCodeAt(0);
      const fields = {
        int8: [tag("b"), 255],
        uint8: [tag("B"), 255],
        int16: [tag("s"), 255, 254],
        uint16: [tag("u"), 255, 254],
        int32: [tag("I"), 255, 255, 255, 253],
        uint32: [tag("i"), 255, 255, 255, 253],
        int64: [tag("l"), 255, 255, 255, 255, 255, 255, 255, 252],
        big: [tag("l"), 0, 32, 0, 0, 0, 0, 0, 1],
        float: [tag("f"), 0x3F, 0x20, 0, 0],
        double: [tag("d"), 0x3F, 0xE4, 0, 0, 0, 0, 0, 0],
        debt: [tag("D"), 2, 255, 255, 255, 156],
        text: [tag("S"), 0, 0, 0, 2, 0xC3, 0xA9],
        raw: [tag("S"), 0, 0, 0, 2, 0xFF, 0xFE],
        bytes: [tag("x"), 0, 0, 0, 1, 9],
        time: [tag("T"), 0, 0, 0, 0, 0x69, 0x57, 0x38, 0x65],
        later: [tag("T"), 0, 6, 10, 24, 31, 0, 0, 0],
        yes: [tag("t"), 1],
        nothing: [tag("V")],
        list: [tag("A"), 0, 0, 0, 3, tag("V"), tag("t"), 0],
        table: [tag("F"), 0, 0, 0, 3, 1, 97, tag("V")],
      };
      const message = {
        fields,
        properties: { correlation_id: [0xFF, 105, 0x80], message_id: [0xC3], delivery_mode: 1 },
      };
      await sendWith("pika", queue, [message]);
      const forwarded = await made.queue({ arguments: queueArguments });
      const see = ({ headers, properties }: Message) => ({ headers, properties });
      const [first] = await receive(queue, 1, see);
      assertEquals(withoutCount(first.headers), {
        int8: -1,
        uint8: 255,
        int16: -2,
        uint16: 65_534,
        int32: -3,
        uint32: 4_294_967_293,
        int64: -4,
        big: 2n ** 53n + 1n,
        float: 0.625,
        double: 0.625,
        debt: { "!": "decimal", value: { places: 2, digits: -100 } },
        text: "é",
        raw: new Uint8Array([255, 254]),
        bytes: new Uint8Array([9]),
        time: new Date(0x69573865 * 1000),
        later: 0x060A181F000000,
        yes: true,
        nothing: null,
        list: [null, false],
        table: { a: null },
      });
      assertEquals(first.properties, {
        correlationId: "\udcffi\udc80",
        messageId: "\udcc3",
        deliveryMode: 1,
      });
      // Whatever came can be sent on, and is the same there, but for how safely it is kept.
      await send(forwarded, first.headers, { body: "", ...first.properties });
      const [again] = await receive(forwarded, 1, see);
      assertEquals(again, {
        headers: first.headers,
        properties: {
          ...first.properties,
          contentType: "text/plain; charset=utf-8",
          deliveryMode: 2,
        },
      });
    },
  });
}

Deno.test({
  name: "amqp-consume (amqp-tools) takes a message with headers of every type",
  ignore: !installed.amqpTools,
  async fn() {
    await using made = await topology();
    const queue = await made.queue();
    await send(queue, HEADERS, PROPERTIES);
    const body = await run("amqp-consume", ["-u", broker.url, "-q", queue, "-c", "1", "cat"]);
    assertEquals(body, "x");
  },
});

Deno.test({
  name: "Consumer reads what amqp-publish (amqp-tools) sends",
  ignore: !installed.amqpTools,
  async fn() {
    await using made = await topology();
    const queue = await made.queue();
    const flags = ["-p", "-t", "back", "-C", "text/plain", "-H", "origin: amqp-tools"];
    await run("amqp-publish", ["-u", broker.url, "-r", queue, "-b", "hello", ...flags]);
    const [seen] = await receive(
      queue,
      1,
      (message) => [message.text(), message.headers, message.properties],
    );
    assertEquals(seen, [
      "hello",
      { origin: "amqp-tools" },
      { contentType: "text/plain", replyTo: "back", deliveryMode: 2 },
    ]);
  },
});

/** Quorum queues may add how often a message was delivered. */
function withoutCount(headers: FieldTable): FieldTable {
  const { "x-delivery-count": _, ...others } = headers;
  return others;
}
