/** The broker closes a channel because of what was asked on it. */

import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { assertStringIncludes } from "@std/assert";
import {
  AccessRefusedError,
  AuthenticationError,
  ChannelError,
  Consumer,
  ExchangeNotFoundError,
  Publisher,
  PublishError,
} from "../../mod.ts";
import { connectionForTest, notOurs } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { noNodes, privateNodes } from "../support/nodes.ts";
import { declareQueue, onChannel, takeBodies } from "../support/on_channel.ts";
import { startProxy } from "../support/proxy.ts";
import { topology } from "../support/topology.ts";
import { brokerUser } from "../support/users.ts";
import { assertAllThere, collector, numbers, QUICK, sendNumbers } from "./support.ts";

const MAX_MESSAGE_SIZE = 100_000;
const CHANNEL_MAX = 6;
const nodes = privateNodes(1, {
  config: [`max_message_size = ${MAX_MESSAGE_SIZE}`, `channel_max = ${CHANNEL_MAX}`],
});
const ignore = noNodes;

Deno.test({
  name: "23 publish to a missing exchange: each such send is rejected and named, all others arrive",
  ignore,
  fn: async () => {
    const [node] = nodes;
    const queue = await declareQueue(node.url);
    await using connection = connectionForTest({ url: node.url, reconnect: QUICK });
    const publisher = new Publisher({ connection });
    let losses = 0;
    publisher.addEventListener("channellost", () => losses++);
    await publisher.start();
    const good: Promise<void>[] = [];
    const bad: Promise<unknown>[] = [];
    for (const number of numbers(0, 100)) {
      good.push(...sendNumbers(publisher, queue, number, number + 1));
      // Ten different ones: each can only be found by the channel that it costs.
      const exchange = `missing.${number % 10}`;
      bad.push(
        publisher.sendMessage({ exchange, routingKey: `key.${number}`, body: "" })
          .catch((error) => error),
      );
    }
    await Promise.all(good);
    for (const [number, error] of (await Promise.all(bad)).entries()) {
      assertInstanceOf(error, PublishError);
      assertInstanceOf(error.cause, ExchangeNotFoundError);
      assertEquals([error.exchange, error.routingKey], [`missing.${number % 10}`, `key.${number}`]);
      assertStringIncludes(error.message, `missing.${number % 10}`);
    }
    const copies = assertAllThere(await takeBodies(node.url, queue), 100);
    assert(losses <= 10, `The channel was lost ${losses} times`);
    assert(copies <= losses * 100, `There were ${copies} copies`);
  },
});

Deno.test({
  name: "24 queue exists with other arguments: it is used as it is, as nothing declares it again",
  ignore,
  fn: async () => {
    const [node] = nodes;
    const queue = await declareQueue(node.url, { "x-max-length": 5, "x-message-ttl": 600_000 });
    await using connection = connectionForTest({ url: node.url });
    const publisher = new Publisher({ connection });
    const task = collector();
    const consumer = new Consumer({ connection, queueName: queue, taskFunction: task });
    await publisher.start();
    await consumer.start();
    await Promise.all(sendNumbers(publisher, queue, 0, 3));
    await task.waitForAll(3);
  },
});

Deno.test({
  name: "25 exclusive queue of another: start() fails at once and names it",
  ignore,
  fn: async () => {
    const [node] = nodes;
    const queue = "exclusive.of.another";
    await onChannel(node.url, async (channel) => {
      await channel.assertQueue(queue, { exclusive: true });
      await using connection = connectionForTest({ url: node.url });
      const consumer = new Consumer({ connection, queueName: queue, taskFunction: collector() });
      const error = await assertRejects(() => consumer.start(), AccessRefusedError);
      assertStringIncludes(error.message, queue);
      assertEquals(consumer.health().status, "down");
    });
  },
});

Deno.test({
  name: "25 permissions narrowed after the start: what is forbidden is named, the rest goes on",
  ignore: notOurs,
  fn: async () => {
    await using made = await topology();
    const [queue, allowed] = [await made.queue(), await made.exchange("fanout")];
    await made.channel.bindQueue(queue, allowed, "");
    await using user = await brokerUser();
    await using proxy = startProxy();
    const { hostname, port } = proxy;
    const reconnect = { initialDelayMs: 10, maxDelayMs: 400 };
    await using connection = connectionForTest({ ...user.login, hostname, port, reconnect });
    const task = collector();
    const publisher = new Publisher({ connection });
    const consumer = new Consumer({ connection, queueName: queue, taskFunction: task });
    const losses: Error[] = [];
    publisher.addEventListener("channellost", () => {});
    consumer.addEventListener("channellost", ({ detail }) => losses.push(detail.cause));
    await publisher.start();
    await consumer.start();
    await Promise.all(sendNumbers(publisher, queue, 0, 1));
    await task.waitForAll(1);

    await user.permit({ write: allowed.replaceAll(".", "\\\\."), read: "^$" });
    proxy.cut(); // A channel may go on with what it was allowed before.
    const refusals = () => losses.filter((cause) => cause instanceof AccessRefusedError);
    await eventually("the consumer is refused", () => refusals().length >= 3);
    assertStringIncludes(refusals()[0].message, queue);
    const { status, reason } = consumer.health();
    assertEquals(status, "recovering");
    assertStringIncludes(reason!, "refused");
    const good = publisher.sendMessage({ exchange: allowed, routingKey: "", body: "1" });
    const [bad] = sendNumbers(publisher, queue, 1, 2);
    const error = await assertRejects(() => bad, PublishError);
    assertInstanceOf(error.cause, AccessRefusedError);
    assertEquals([error.exchange, error.routingKey], ["", queue]);
    await good;

    await user.permit({});
    await task.waitForAll(2);
    assertEquals(consumer.health().status, "up");
  },
});

Deno.test({
  name: "25 permissions cleared after the start: reported, retried slowly, back when they are",
  ignore: notOurs,
  fn: async () => {
    await using made = await topology();
    const queue = await made.queue();
    await using user = await brokerUser();
    await using proxy = startProxy();
    const { hostname, port } = proxy;
    const reconnect = { initialDelayMs: 10, maxDelayMs: 400 };
    await using connection = connectionForTest({ ...user.login, hostname, port, reconnect });
    connection.addEventListener("disconnected", () => {});
    const attempts: { delayMs: number; cause: Error }[] = [];
    connection.addEventListener("reconnecting", ({ detail }) => attempts.push(detail));
    const task = collector();
    const publisher = new Publisher({ connection });
    const consumer = new Consumer({ connection, queueName: queue, taskFunction: task });
    const impatient = new Consumer({
      connection,
      queueName: queue,
      taskFunction: task,
      giveUpAfterMs: 500,
    });
    publisher.addEventListener("channellost", () => {});
    for (const one of [consumer, impatient]) one.addEventListener("channellost", () => {});
    for (const one of [publisher, consumer, impatient]) await one.start();
    await user.forbidAll();
    proxy.cut();
    const sends = sendNumbers(publisher, queue, 0, 10);
    const refused = () => attempts.filter(({ cause }) => cause instanceof AuthenticationError);
    await eventually("it is refused again and again", () => refused().length >= 3);
    for (const { delayMs, cause } of refused()) {
      assertEquals(delayMs, reconnect.maxDelayMs);
      assertStringIncludes(cause.message, user.username);
    }
    assertInstanceOf((await impatient.closed)?.cause, AuthenticationError);
    assertEquals(consumer.health().status, "recovering");
    await user.permit({});
    await Promise.all(sends);
    await task.waitForAll(10);
  },
});

Deno.test({
  name: "26 body over the broker's limit: that send is rejected, all others arrive",
  ignore,
  fn: async () => {
    const [node] = nodes;
    const queue = await declareQueue(node.url);
    await using connection = connectionForTest({ url: node.url, reconnect: QUICK });
    const publisher = new Publisher({ connection });
    publisher.addEventListener("channellost", () => {});
    await publisher.start();
    const before = sendNumbers(publisher, queue, 0, 50);
    const large = publisher.sendMessageToQueue({
      queueName: queue,
      body: new Uint8Array(MAX_MESSAGE_SIZE + 1),
      messageId: "large",
    });
    const after = sendNumbers(publisher, queue, 50, 100);
    const error = await assertRejects(() => large, PublishError);
    assertEquals(error.messageId, "large");
    assertStringIncludes(error.message, `${MAX_MESSAGE_SIZE}`);
    await Promise.all([...before, ...after]);
    assertAllThere(await takeBodies(node.url, queue), 100);
  },
});

Deno.test({
  name: "28 channels beyond the limit: a typed error, and those that are open go on",
  ignore,
  fn: async () => {
    const [node] = nodes;
    const queue = await declareQueue(node.url);
    await using connection = connectionForTest({ url: node.url });
    const publisher = new Publisher({ connection });
    await publisher.start();
    const task = collector();
    const make = () => new Consumer({ connection, queueName: queue, taskFunction: task });
    const running = numbers(0, CHANNEL_MAX).map(make);
    for (const consumer of running) await consumer.start();
    const error = await assertRejects(() => make().start(), ChannelError);
    assertEquals(error.code, "CHANNEL_LIMIT");
    assertStringIncludes(error.message, "channel_max");
    await Promise.all(sendNumbers(publisher, queue, 0, 50));
    await task.waitForAll(50);
    // One that ends leaves its place to another.
    await running[0].stop();
    const next = make();
    await next.start();
    assertEquals(next.health().status, "up");
  },
});
