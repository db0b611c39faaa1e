/** The broker closes a channel because of what was asked on it. */

import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { assertStringIncludes } from "@std/assert";
import {
  AccessRefusedError,
  ChannelError,
  Consumer,
  ExchangeNotFoundError,
  Publisher,
  PublishError,
} from "../../mod.ts";
import { connectionForTest } from "../support/broker.ts";
import { noNodes, privateNodes } from "../support/nodes.ts";
import { declareQueue, onChannel, takeBodies } from "../support/on_channel.ts";
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
