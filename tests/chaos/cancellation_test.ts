/** The broker cancels a consumer, or the program does. */

import { assert, assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { ChannelError, Consumer, MessageStatus, Publisher, QueueNotFoundError } from "../../mod.ts";
import { connectionForTest, isVersion4 } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { noNodes, privateNodes } from "../support/nodes.ts";
import { declareQueue, onChannel, readyIn } from "../support/on_channel.ts";
import { heldTask } from "../support/tasks.ts";
import { collector, QUICK, sendNumbers } from "./support.ts";

const nodes = privateNodes(1);
const ignore = noNodes;

Deno.test({
  name:
    "30 31 queue deleted under a consumer: an event, then its set-up is retried until it is back",
  ignore,
  fn: async () => {
    const [node] = nodes;
    const queue = await declareQueue(node.url);
    await using connection = connectionForTest({ url: node.url, reconnect: QUICK });
    const publisher = new Publisher({ connection });
    const task = collector();
    const consumer = new Consumer({ connection, queueName: queue, taskFunction: task });
    const causes: Error[] = [];
    consumer.addEventListener("channellost", ({ detail }) => causes.push(detail.cause));
    await publisher.start();
    await consumer.start();
    await onChannel(node.url, (channel) => channel.deleteQueue(queue));
    await eventually("its set-up is retried", () => causes.length >= 3);
    assertEquals((causes[0] as ChannelError).code, "CONSUMER_CANCELLED");
    for (const cause of causes.slice(1)) assertInstanceOf(cause, QueueNotFoundError);
    assertEquals(consumer.health().status, "recovering");
    assertStringIncludes(consumer.health().reason!, queue);
    await onChannel(node.url, (channel) => channel.assertQueue(queue, { durable: true }));
    await Promise.all(sendNumbers(publisher, queue, 0, 20));
    await task.waitForAll(20);
    assertEquals(consumer.health().status, "up");
  },
});

const TIMEOUTS = [
  {
    name: "32 acknowledgement timeout on a classic queue of RabbitMQ 3",
    version: 3,
    type: "classic",
  },
  {
    name: "32 acknowledgement timeout on a quorum queue of RabbitMQ 3",
    version: 3,
    type: "quorum",
  },
  {
    name: "33 acknowledgement timeout on a quorum queue of RabbitMQ 4",
    version: 4,
    type: "quorum",
  },
];

for (const { name, version, type } of TIMEOUTS) {
  Deno.test({
    name: `${name}: subscribed again, the signal aborted, the late settlement dropped`,
    ignore: ignore || isVersion4 !== (version === 4),
    fn: async () => {
      const [node] = nodes;
      const queue = await declareQueue(node.url, {
        "x-queue-type": type,
        ...(isVersion4 ? { "x-consumer-timeout": 1_000 } : {}),
      });
      if (!isVersion4) {
        await node.evaluate("application:set_env(rabbit, consumer_timeout, 1000).");
        await node.evaluate("application:set_env(rabbit, channel_tick_interval, 200).");
      }
      await using connection = connectionForTest({ url: node.url, reconnect: QUICK });
      const publisher = new Publisher({ connection });
      const task = heldTask();
      const neighbour = collector();
      const consumer = new Consumer({ connection, queueName: queue, taskFunction: task });
      const other = await declareQueue(node.url);
      const unharmed = new Consumer({
        connection,
        queueName: other,
        taskFunction: neighbour,
      });
      const losses: Error[] = [];
      consumer.addEventListener("channellost", ({ detail }) => losses.push(detail.cause));
      unharmed.addEventListener("channellost", ({ detail }) => losses.push(detail.cause));
      await publisher.start();
      await unharmed.start();
      await consumer.start();
      await Promise.all(sendNumbers(publisher, queue, 0, 1));
      const [message] = await task.waitFor(1);
      await eventually("the signal is aborted", () => message.signal.aborted);
      assertInstanceOf(losses[0], ChannelError);
      assertStringIncludes(
        losses[0].message,
        isVersion4 ? "acknowledgement took too long" : "timed out",
      );
      assertEquals(message.ack(), false);
      await eventually("it is subscribed again", () => consumer.health().status === "up");
      task.endAll();
      await task.waitFor(2);
      assertEquals(task.messages[1].text(), "0");
      assertEquals((await consumer.stop()).abandoned, 0);
      assertEquals(await readyIn(node.url, queue), 0);
      // One channel's death costs its neighbours nothing.
      await Promise.all(sendNumbers(publisher, other, 0, 10));
      await neighbour.waitForAll(10);
      assertEquals(losses.length, 1);
    },
  });
}

Deno.test({
  name: "34 cancelling while deliveries arrive: each is processed or released, none twice",
  ignore,
  fn: async () => {
    const [node] = nodes;
    const queue = await declareQueue(node.url);
    const total = 3_000;
    await using connection = connectionForTest({ url: node.url });
    const publisher = new Publisher({ connection });
    await publisher.start();
    await Promise.all(sendNumbers(publisher, queue, 0, total));
    const worked = new Map<string, number>();
    let completed = 0;
    let stops = 0;
    while (worked.size < total) {
      const consumer = new Consumer({
        connection,
        queueName: queue,
        workers: 4,
        prefetch: 250,
        taskFunction: (message) => {
          worked.set(message.text(), (worked.get(message.text()) ?? 0) + 1);
          return MessageStatus.SUCCESS;
        },
      });
      await consumer.start();
      const enough = Math.min(worked.size + 300, total);
      await eventually("it has worked on some", () => worked.size >= enough);
      const result = await consumer.stop();
      assertEquals(result.abandoned, 0);
      completed += result.completed;
      stops++;
    }
    assert(stops > 1, `It was stopped ${stops} times`);
    assertEquals([...worked.values()].filter((times) => times > 1), []);
    assertEquals(await readyIn(node.url, queue), 0);
    assert(completed <= total);
  },
});
