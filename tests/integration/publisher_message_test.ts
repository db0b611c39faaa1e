/** What arrives of a message, as another client (plain amqplib) sees it. */

import { Buffer } from "node:buffer";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Connection, Publisher, type SendToQueueOptions } from "../../mod.ts";
import { broker, connectionForTest } from "../support/broker.ts";
import { topology } from "../support/topology.ts";

type Sent = Omit<SendToQueueOptions, "queueName">;

/** Sends one message and takes it out of its queue again. */
async function roundTrip(connection: Connection, message: Sent) {
  await using made = await topology();
  const queue = await made.queue();
  await using publisher = new Publisher({ connection });
  await publisher.start();
  await publisher.sendMessageToQueue({ queueName: queue, ...message });
  const received = await made.take(queue);
  return { received, properties: received.properties, body: new Uint8Array(received.content) };
}

const utf8 = new TextEncoder();

Deno.test("Publisher sends a string as UTF-8 text", async () => {
  await using connection = connectionForTest();
  const { body, properties } = await roundTrip(connection, { body: "Grüße, 🐇\u0000" });
  assertEquals(body, utf8.encode("Grüße, 🐇\u0000"));
  assertEquals(properties.contentType, "text/plain; charset=utf-8");
});

Deno.test("Publisher sends bytes as they are", async () => {
  await using connection = connectionForTest();
  const all = Uint8Array.from({ length: 256 }, (_, index) => index);
  const { body, properties } = await roundTrip(connection, { body: all });
  assertEquals(body, all);
  assertEquals(properties.contentType, "application/octet-stream");
});

Deno.test("Publisher sends the part of a buffer that a view shows, and no more", async () => {
  await using connection = connectionForTest();
  const view = utf8.encode("before|inside|after").subarray(7, 13);
  const { body } = await roundTrip(connection, { body: view });
  assertEquals(body, utf8.encode("inside"));
});

Deno.test("Publisher sends json, also null, false and 0", async () => {
  await using connection = connectionForTest();
  for (const json of [{ list: [1, "zwei", null], deep: { a: true } }, null, false, 0, ""]) {
    const { body, properties } = await roundTrip(connection, { json });
    assertEquals(JSON.parse(new TextDecoder().decode(body)), json);
    assertEquals(properties.contentType, "application/json");
  }
});

Deno.test("Publisher sends empty bodies", async () => {
  await using connection = connectionForTest();
  for (const empty of ["", new Uint8Array()]) {
    assertEquals((await roundTrip(connection, { body: empty })).body.length, 0);
  }
});

Deno.test("Publisher sends a body of 5 MB", async () => {
  await using connection = connectionForTest();
  const large = new Uint8Array(5_000_000);
  for (let at = 0; at < large.length; at += 65_536) {
    crypto.getRandomValues(large.subarray(at, at + 65_536));
  }
  const { body } = await roundTrip(connection, { body: large });
  assertEquals(body.length, large.length);
  assert(body.every((byte, index) => byte === large[index]), "The bytes differ");
});

Deno.test("Publisher sends every property, and marks the message persistent", async () => {
  await using connection = connectionForTest();
  const { properties } = await roundTrip(connection, {
    body: "all",
    expirationMs: 3_600_000,
    priority: 7,
    correlationId: "correlation",
    replyTo: "replies",
    contentType: "text/markdown",
    contentEncoding: "identity",
    type: "order.created",
    timestamp: new Date("2024-02-29T12:34:56.789Z"),
    messageId: "my-own-id",
    userId: broker.username,
    appId: "the-app",
  });
  assertEquals(properties.expiration, "3600000");
  assertEquals(properties.priority, 7);
  assertEquals(properties.correlationId, "correlation");
  assertEquals(properties.replyTo, "replies");
  assertEquals(properties.contentType, "text/markdown");
  assertEquals(properties.contentEncoding, "identity");
  assertEquals(properties.type, "order.created");
  assertEquals(properties.timestamp, Date.UTC(2024, 1, 29, 12, 34, 56) / 1000);
  assertEquals(properties.messageId, "my-own-id");
  assertEquals(properties.userId, broker.username);
  assertEquals(properties.appId, "the-app");
  assertEquals(properties.deliveryMode, 2);
});

Deno.test("Publisher sends the least and the greatest values of properties", async () => {
  await using connection = connectionForTest();
  const longest = "ü".repeat(127) + "x"; // 255 bytes of UTF-8.
  const least = await roundTrip(connection, { body: "", priority: 0, timestamp: new Date(0) });
  assertEquals(least.properties.priority, 0);
  assertEquals(least.properties.timestamp, 0);
  const greatest = await roundTrip(connection, {
    body: "",
    priority: 255,
    expirationMs: 4_294_967_295,
    correlationId: longest,
    messageId: longest,
  });
  assertEquals(greatest.properties.priority, 255);
  assertEquals(greatest.properties.expiration, "4294967295");
  assertEquals(greatest.properties.correlationId, longest);
  assertEquals(greatest.properties.messageId, longest);
});

Deno.test("Publisher generates a messageId for each message, unlike any other's", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using connection = connectionForTest();
  const publishers = [new Publisher({ connection }), new Publisher({ connection })];
  for (const publisher of publishers) {
    await publisher.start();
    const sends = Array.from(
      { length: 20 },
      () => publisher.sendMessageToQueue({ queueName: queue, body: "" }),
    );
    await Promise.all(sends);
  }
  const ids = (await made.takeAll(queue)).map((message) => message.properties.messageId);
  assertEquals(ids.length, 40);
  assertEquals(new Set(ids).size, 40);
  for (const id of ids) assertMatch(id, /^.{16,255}$/);
});

Deno.test("Publisher sends header values of every type faithfully (41)", async () => {
  await using connection = connectionForTest();
  const { properties } = await roundTrip(connection, {
    body: "",
    headers: {
      text: "Grüße 🐇",
      empty: "",
      yes: true,
      no: false,
      nothing: null,
      small: 7,
      negative: -7,
      large: Number.MAX_SAFE_INTEGER,
      least: Number.MIN_SAFE_INTEGER,
      fraction: 0.1,
      tiny: Number.MIN_VALUE,
      huge: 1e300,
      lowest: -1e300,
      negativeZero: -0,
      left: undefined,
      date: new Date("2030-01-02T03:04:05Z"),
      bytes: Uint8Array.of(0, 128, 255),
      list: [1, "two", [false, null], { deep: new Date(0) }],
      table: { a: { b: { c: "deep" } }, none: {} },
    },
  });
  const { bytes, ...headers } = properties.headers!;
  assertEquals(new Uint8Array(bytes), Uint8Array.of(0, 128, 255));
  assert(Object.is(headers.negativeZero, -0));
  assertEquals(headers, {
    text: "Grüße 🐇",
    empty: "",
    yes: true,
    no: false,
    nothing: null,
    small: 7,
    negative: -7,
    large: Number.MAX_SAFE_INTEGER,
    least: Number.MIN_SAFE_INTEGER,
    fraction: 0.1,
    tiny: Number.MIN_VALUE,
    huge: 1e300,
    lowest: -1e300,
    negativeZero: -0,
    date: { "!": "timestamp", value: Date.UTC(2030, 0, 2, 3, 4, 5) / 1000 },
    list: [1, "two", [false, null], { deep: { "!": "timestamp", value: 0 } }],
    table: { a: { b: { c: "deep" } }, none: {} },
  });
});

Deno.test("Publisher sends headers of 64 KiB, in one value or in many", async () => {
  await using connection = connectionForTest();
  const large = { text: "x".repeat(65_520) };
  const many = Object.fromEntries(Array.from({ length: 5_100 }, (_, key) => [`k${key + 10}`, "ü"]));
  for (const headers of [large, many]) {
    const { properties } = await roundTrip(connection, { body: "", headers });
    assertEquals(properties.headers, headers);
  }
});

Deno.test("Publisher sends what was given, whatever the program changes afterwards", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  const body = utf8.encode("as it was");
  const headers = { list: ["as it was"] };
  const starting = publisher.start();
  const sending = publisher.sendMessageToQueue({ queueName: queue, body, headers });
  body.fill(0);
  headers.list[0] = "changed";
  await starting;
  await sending;
  const received = await made.take(queue);
  assertEquals(received.content.toString(), "as it was");
  assertEquals(received.properties.headers, { list: ["as it was"] });
});

Deno.test("Publisher sends to an exchange with a routing key, and with none", async () => {
  await using made = await topology();
  const exchange = await made.exchange("direct");
  const [black, blank] = [await made.queue(), await made.queue()];
  await made.channel.bindQueue(black, exchange, "black");
  await made.channel.bindQueue(blank, exchange, "");
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  await publisher.start();
  await publisher.sendMessage({ exchange, routingKey: "black", body: "to black" });
  await publisher.sendMessage({ exchange, body: "to none" });
  await publisher.sendMessage({ exchange: "", routingKey: black, body: "by default" });
  const bodies = (await made.takeAll(black)).map((message) => message.content.toString());
  assertEquals(bodies, ["to black", "by default"]);
  assertEquals((await made.take(blank)).content.toString(), "to none");
});

Deno.test("Publisher reaches one who waits for a direct reply, and is confirmed", async () => {
  await using made = await topology();
  const replies: string[] = [];
  const replied = Promise.withResolvers<void>();
  await made.channel.consume("amq.rabbitmq.reply-to", (message) => {
    replies.push(message!.content.toString());
    replied.resolve();
  }, { noAck: true });
  const requests = await made.queue();
  made.channel.sendToQueue(requests, Buffer.from("?"), { replyTo: "amq.rabbitmq.reply-to" });
  const { replyTo } = (await made.take(requests)).properties;
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  await publisher.start();
  await publisher.sendMessageToQueue({ queueName: replyTo, body: "!" });
  await replied.promise;
  assertEquals(replies, ["!"]);
});
