/** Messages that always fail, callbacks that never come, and headers that lie. */

import { Buffer } from "node:buffer";
import { assert, assertEquals } from "@std/assert";
import { Connection, Consumer, type Message, MessageStatus } from "../../mod.ts";
import { AmqpServer, closing, delivery } from "../support/amqp_server.ts";
import { broker, connectionForTest, isVersion4 } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { noNodes, privateNodes } from "../support/nodes.ts";
import { declareQueue, onChannel, readyIn } from "../support/on_channel.ts";
import { queueAtBroker } from "../support/queue_at_broker.ts";
import { notingTask } from "../support/tasks.ts";
import { topology } from "../support/topology.ts";
import { QUICK } from "./support.ts";

const QUEUES = {
  classic: {},
  quorum: { "x-queue-type": "quorum" },
} as const;

/** A task that fails whatever begins with "poison", and notes the others. */
function pickyTask() {
  const good: string[] = [];
  let failures = 0;
  const task = (message: Message) => {
    const body = message.text();
    if (!body.startsWith("poison")) {
      good.push(body);
      return MessageStatus.SUCCESS;
    }
    failures++;
    return MessageStatus.FAIL_RETRY_LATER;
  };
  return { task, good, failures: () => failures };
}

for (const [type, queueArguments] of Object.entries(QUEUES)) {
  for (const workers of [1, 2, 50]) {
    Deno.test(`79 as many poison messages as prefetch: others flow, on a ${type} queue with ${workers} workers`, async () => {
      await using made = await topology();
      const queue = await made.queue({ arguments: queueArguments });
      await made.fill(queue, Array.from({ length: workers }, (_, index) => `poison ${index}`));
      await made.fill(queue, Array.from({ length: 20 }, (_, index) => `${index}`));
      await using connection = connectionForTest();
      const { task, good, failures } = pickyTask();
      const consumer = new Consumer({
        connection,
        queueName: queue,
        workers,
        retryDelayMs: 900_000,
        taskFunction: task,
      });
      await consumer.start();
      await eventually("the others are worked on", () => good.length === 20);
      assertEquals(new Set(good).size, 20);
      assertEquals([failures(), consumer.health().heldUp], [workers, undefined]);
      await consumer.stop();
      await made.waitForCount(queue, workers);
    });
  }

  Deno.test(`79 waiting retries come back, and what was added for them goes, on a ${type} queue`, async () => {
    await using made = await topology();
    const queue = await made.queue({ arguments: queueArguments });
    await made.fill(queue, Array.from({ length: 40 }, (_, index) => `${index}`));
    await using connection = connectionForTest();
    const attempts = new Map<string, number>();
    const consumer = new Consumer({
      connection,
      queueName: queue,
      workers: 2,
      retryDelayMs: 200,
      taskFunction: (message) => {
        const body = message.text();
        attempts.set(body, (attempts.get(body) ?? 0) + 1);
        return attempts.get(body)! < 3 ? MessageStatus.FAIL_RETRY_LATER : MessageStatus.SUCCESS;
      },
    });
    const losses: Error[] = [];
    consumer.addEventListener("channellost", ({ detail }) => losses.push(detail.cause));
    await consumer.start();
    await eventually(
      "all have succeeded",
      () => attempts.size === 40 && [...attempts.values()].every((count) => count === 3),
    );
    await eventually(
      "one consumer is left",
      async () => (await made.channel.checkQueue(queue)).consumerCount === 1,
    );
    await made.waitForCount(queue, 0);
    assertEquals(losses, []);
    if (broker.own) assertEquals((await queueAtBroker(queue))?.prefetches, [2]);
    // The one that is left is the first, and it works.
    await made.fill(queue, ["last"]);
    await eventually("it works on", () => attempts.get("last") === 3);
    await consumer.stop();
  });
}

Deno.test("79 more poison messages than there is room for: health says what holds it up", async () => {
  await using made = await topology();
  const queue = await made.queue();
  const total = 1_001; // One of prefetch, and 1 000 beside it.
  await made.fill(queue, Array.from({ length: total }, (_, index) => `poison ${index}`));
  await made.fill(queue, ["good"]);
  await using connection = connectionForTest();
  const { task, good } = pickyTask();
  const consumer = new Consumer({
    connection,
    queueName: queue,
    retryDelayMs: 900_000,
    taskFunction: task,
  });
  await consumer.start();
  await eventually("it is held up", () => consumer.health().heldUp !== undefined);
  const { status, heldUp } = consumer.health();
  assertEquals({ status, heldUp }, {
    status: "up",
    heldUp: { retries: total, callbacks: 0, overdueCallbacks: 0 },
  });
  assertEquals([await made.count(queue), good], [1, []]);
  assert((await made.channel.checkQueue(queue)).consumerCount <= 12, "Few consumers do for all");
  assertEquals(await consumer.stop(), { completed: total, released: 0, abandoned: 0 });
  await made.waitForCount(queue, total + 1);
});

for (const [type, queueArguments] of Object.entries(QUEUES)) {
  for (const forged of [-1_000, 1_000]) {
    Deno.test(`75 x-delivery-count set to ${forged} by a publisher changes no delay, on a ${type} queue`, async () => {
      await using made = await topology();
      const queue = await made.queue({ arguments: queueArguments });
      await using connection = connectionForTest();
      const times: number[] = [];
      const consumer = new Consumer({
        connection,
        queueName: queue,
        retryDelayMs: 50,
        taskFunction: () => {
          times.push(performance.now());
          return times.length < 5 ? MessageStatus.FAIL_RETRY_LATER : MessageStatus.SUCCESS;
        },
      });
      await consumer.start();
      made.channel.sendToQueue(queue, Buffer.from("liar"), {
        headers: { "x-delivery-count": forged },
      });
      // With the count that is claimed it would take minutes, or no time at all.
      await eventually("it has been tried five times", () => times.length === 5, 25_000);
      for (const [index, delayMs] of [50, 100, 200, 400].entries()) {
        const gap = times[index + 1] - times[index];
        assert(gap >= delayMs * 0.9, `Delay ${index} was ${gap} ms`);
      }
      await consumer.stop();
      await made.waitForCount(queue, 0);
    });
  }
}

Deno.test("80 a callback that never comes: the signal aborts, then the message is retried", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["one"]);
  await using connection = connectionForTest();
  const messages: Message[] = [];
  const failures: Error[] = [];
  const consumer = new Consumer({
    connection,
    queueName: queue,
    callbackTimeoutMs: 100,
    taskGraceMs: 1_000,
    retryDelayMs: 1,
    taskFunction: (message) => {
      messages.push(message);
      return messages.length === 1 ? MessageStatus.HANDLED_VIA_CALLBACK : MessageStatus.SUCCESS;
    },
  });
  const seen: unknown[] = [];
  consumer.addEventListener("taskfailed", ({ detail }) => {
    failures.push(detail.error);
    assertEquals(detail.outcome, "retry");
  });
  await consumer.start();
  await eventually("it waits", () => messages.length === 1);
  messages[0].signal.addEventListener("abort", () => seen.push(consumer.health().heldUp));
  await eventually("it is tried again", () => messages.length === 2);
  assertEquals(seen, [{ retries: 0, callbacks: 1, overdueCallbacks: 1 }]);
  assertEquals(failures.map(({ name }) => name), ["TimeoutError"]);
  // Whoever calls now is too late, and told so.
  assertEquals(messages[0].ack(), false);
  await consumer.stop();
  await made.waitForCount(queue, 0);
});

Deno.test("80 a callback that comes within its time, or within the grace, settles the message", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["one", "two"]);
  await using connection = connectionForTest();
  const task = notingTask(MessageStatus.HANDLED_VIA_CALLBACK);
  const consumer = new Consumer({
    connection,
    queueName: queue,
    prefetch: 10,
    callbackTimeoutMs: 200,
    taskGraceMs: 60_000,
    taskFunction: task,
  });
  await consumer.start();
  const [first, second] = await task.waitFor(2);
  const late = new Promise((resolve) => second.signal.addEventListener("abort", resolve));
  assert(first.ack());
  await late;
  assert(!first.signal.aborted, "It was settled");
  assert(second.ack());
  assertEquals(consumer.health().heldUp, undefined);
  assertEquals(await consumer.stop(), { completed: 0, released: 0, abandoned: 0 });
  assertEquals([task.messages.length, await made.count(queue)], [2, 0]);
});

const nodes = privateNodes(1);

for (const [type, queueArguments] of Object.entries(QUEUES)) {
  Deno.test({
    name:
      `85 the broker's consumer timeout while retries wait: one channel is lost, no more, on a ${type} queue`,
    // RabbitMQ 4 has no such timeout for classic queues.
    ignore: noNodes || isVersion4 && type === "classic",
    fn: async () => {
      const [node] = nodes;
      const limit = await node.evaluate("application:get_env(rabbit, consumer_timeout).");
      // It is looked at now and then: every second.
      await node.evaluate("application:set_env(rabbit, consumer_timeout, 2000).");
      await node.evaluate("application:set_env(rabbit, channel_tick_interval, 1000).");
      try {
        const queue = await declareQueue(node.url, queueArguments);
        const other = await declareQueue(node.url, queueArguments);
        await onChannel(node.url, async (channel) => {
          for (const body of ["poison 1", "poison 2", "poison 3", "good"]) {
            channel.sendToQueue(queue, Buffer.from(body));
          }
          await channel.waitForConfirms();
        });
        await using connection = connectionForTest({ url: node.url, reconnect: QUICK });
        const disconnects: Error[] = [];
        connection.addEventListener("disconnected", ({ detail }) => disconnects.push(detail.cause));
        const losses: Error[] = [];
        const { task, good, failures } = pickyTask();
        const consumer = new Consumer({
          connection,
          queueName: queue,
          retryDelayMs: 900_000,
          taskFunction: task,
        });
        const neighbour = new Consumer({ connection, queueName: other, taskFunction: task });
        consumer.addEventListener("channellost", ({ detail }) => losses.push(detail.cause));
        neighbour.addEventListener("channellost", ({ detail }) => disconnects.push(detail.cause));
        await neighbour.start();
        await consumer.start();
        await eventually("the good one is worked on", () => good.length === 1);
        await eventually("the broker has had enough", () => losses.length >= 1);
        // What waited comes again, and what is new is worked on.
        await eventually("all are tried again", () => failures() >= 6);
        await onChannel(node.url, async (channel) => {
          channel.sendToQueue(queue, Buffer.from("good too"));
          channel.sendToQueue(other, Buffer.from("neighbour"));
          await channel.waitForConfirms();
        });
        await eventually("it goes on", () => good.length === 3);
        await consumer.stop();
        await neighbour.stop();
        assertEquals(disconnects, []);
        await eventually("all came back", async () => await readyIn(node.url, queue) === 3);
      } finally {
        const [, ms] = /\{ok,(\d+)\}/.exec(limit) ?? [];
        await node.evaluate(`application:set_env(rabbit, consumer_timeout, ${ms ?? 1_800_000}).`);
      }
    },
  });
}

Deno.test("85 a delivery on a channel that the broker has closed: one channel is lost, no more", async () => {
  await using server = new AmqpServer();
  const { hostname, port } = server;
  await using connection = new Connection({ hostname, port, logger: null, reconnect: QUICK });
  const losses: string[] = [];
  connection.addEventListener("disconnected", () => losses.push("connection"));
  const task = notingTask();
  const consumers = ["one", "two"].map((queueName) => {
    const consumer = new Consumer({ connection, queueName, taskFunction: task });
    consumer.addEventListener("channellost", () => losses.push(queueName));
    return consumer;
  });
  for (const consumer of consumers) await consumer.start();
  const { client } = server;
  const tag = client.consumerTags.get(1)!;
  client.call(1, "channel.close", closing(406, "PRECONDITION_FAILED - by script"));
  client.send(delivery(1, tag, 1, "x".repeat(100)));
  await eventually("its channel is lost", () => losses.length > 0);
  // What comes behind it on another channel is worked on.
  client.send(delivery(2, client.consumerTags.get(2)!, 1));
  await task.waitFor(1);
  await eventually("it is up again", () => consumers[0].health().status === "up");
  assertEquals([losses, task.bodies], [["one"], ["x"]]);
  for (const consumer of consumers) await consumer.stop();
});

for (const [type, queueArguments] of Object.entries(QUEUES)) {
  Deno.test(`86 a single-active queue: a waiting retry hands the queue to no rival, on a ${type} queue`, async () => {
    await using made = await topology();
    const queue = await made.queue({
      arguments: { ...queueArguments, "x-single-active-consumer": true },
    });
    await using connection = connectionForTest();
    await using other = connectionForTest();
    const { task, good, failures } = pickyTask();
    const options = { queueName: queue, retryDelayMs: 900_000 };
    const consumer = new Consumer({ ...options, connection, taskFunction: task });
    const rivalTask = notingTask();
    const rival = new Consumer({ ...options, connection: other, taskFunction: rivalTask });
    await consumer.start();
    await rival.start();
    await made.fill(queue, ["poison", "next"]);
    // The next waits for its turn, as order is what was asked for; and health says by what.
    await eventually("it is held up", () => consumer.health().heldUp !== undefined);
    assertEquals(consumer.health().heldUp, { retries: 1, callbacks: 0, overdueCallbacks: 0 });
    assertEquals([failures(), good, rivalTask.bodies], [1, [], []]);
    await consumer.stop();
    // Now it is the rival's, and what failed comes first, or last, as the broker has it.
    await rivalTask.waitFor(2);
    await rival.stop();
    await made.waitForCount(queue, 0);
  });
}
