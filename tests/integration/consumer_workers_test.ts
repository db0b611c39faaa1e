import { assert, assertEquals, assertMatch } from "@std/assert";
import { Consumer, type ConsumerEventMap, MessageStatus } from "../../mod.ts";
import { connectionForTest, notOurs } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { queueAtBroker } from "../support/queue_at_broker.ts";
import { recordingLogger } from "../support/recording_logger.ts";
import { heldTask } from "../support/tasks.ts";
import { topology } from "../support/topology.ts";

const BODIES = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

for (const { workers, prefetch } of [{ workers: 1, prefetch: 10 }, { workers: 3, prefetch: 10 }]) {
  Deno.test(`Consumer works on exactly ${workers} of ${prefetch} messages at a time, in order`, async () => {
    await using made = await topology();
    const queue = await made.queue();
    await made.fill(queue, BODIES);
    await using connection = connectionForTest();
    const task = heldTask();
    const consumer = new Consumer({
      connection,
      queueName: queue,
      workers,
      prefetch,
      taskFunction: task,
    });
    await consumer.start();
    await made.waitForCount(queue, 0);
    for (let ended = 0; ended < BODIES.length; ended++) {
      await eventually(
        "the next begin",
        () =>
          task.messages.length === Math.min(ended + workers, BODIES.length) &&
          task.running === Math.min(workers, BODIES.length - ended),
      );
      task.end();
    }
    await consumer.stop();
    assertEquals(task.most, workers);
    assertEquals(task.messages.map((message) => message.text()), BODIES);
    assertEquals(await made.count(queue), 0);
  });
}

Deno.test("Consumer with two workers lets a slow task hold up neither other tasks nor their acknowledgements", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["slow", ...BODIES]);
  await using connection = connectionForTest();
  const slow = Promise.withResolvers<MessageStatus>();
  const done: string[] = [];
  const consumer = new Consumer({
    connection,
    queueName: queue,
    workers: 2,
    taskFunction: (message) => {
      if (message.text() === "slow") return slow.promise;
      done.push(message.text());
      return MessageStatus.SUCCESS;
    },
  });
  await consumer.start();
  await eventually("the others are worked on", () => done.length === BODIES.length);
  assertEquals(done, BODIES);
  // Given up, the slow one comes back alone: the others had been acknowledged.
  assertEquals(await consumer.stop({ timeoutMs: 0 }), { completed: 0, released: 0, abandoned: 1 });
  assertEquals((await made.take(queue)).content.toString(), "slow");
  assertEquals(await made.count(queue), 0);
  slow.resolve(MessageStatus.SUCCESS);
});

Deno.test({
  name:
    "Consumer asks the broker for as many messages as prefetch says, by default as many as workers",
  ignore: notOurs,
  fn: async () => {
    await using made = await topology();
    const queue = await made.queue();
    await made.fill(queue, BODIES);
    await using connection = connectionForTest();
    for (
      const { options, expected } of [
        { options: {}, expected: 1 },
        { options: { workers: 4 }, expected: 4 },
        { options: { workers: 2, prefetch: 7 }, expected: 7 },
      ]
    ) {
      const task = heldTask();
      const consumer = new Consumer({
        connection,
        queueName: queue,
        taskFunction: task,
        ...options,
      });
      await consumer.start();
      const seen = await eventually("the broker has handed them out", async () => {
        const atBroker = await queueAtBroker(queue);
        return atBroker?.unacknowledged === expected && atBroker;
      });
      assertEquals(seen.prefetches, [expected]);
      assertEquals(seen.ready, BODIES.length - expected);
      await consumer.stop({ timeoutMs: 0 });
      task.endAll();
      await made.waitForCount(queue, BODIES.length);
    }
  },
});

Deno.test("HANDLED_VIA_CALLBACK frees the worker at once and keeps the prefetch slot until it is settled", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["0", "1", "2", "3"]);
  await using connection = connectionForTest();
  const task = heldTask();
  task.endAll(MessageStatus.HANDLED_VIA_CALLBACK);
  const consumer = new Consumer({
    connection,
    queueName: queue,
    workers: 1,
    prefetch: 3,
    taskFunction: task,
  });
  await consumer.start();
  const messages = await task.waitFor(3);
  assertEquals(await made.count(queue), 1);
  assertEquals(messages.length, 3);
  assertEquals(messages[1].ack(), true);
  await task.waitFor(4);
  assertEquals(messages.map((message) => message.ack()), [true, false, true, true]);
  await consumer.stop();
  assertEquals(await made.count(queue), 0);
});

Deno.test("HANDLED_VIA_CALLBACK warns once when prefetch was left at its default", async () => {
  await using made = await topology();
  const queue = await made.queue();
  for (const prefetch of [undefined, 1]) {
    const { logger, lines } = recordingLogger();
    await using connection = connectionForTest({ logger });
    await made.fill(queue, ["0", "1", "2"]);
    const task = heldTask();
    task.endAll(MessageStatus.HANDLED_VIA_CALLBACK);
    const consumer = new Consumer({
      connection,
      queueName: queue,
      prefetch,
      taskFunction: task,
    });
    await consumer.start();
    for (let count = 1; count <= 3; count++) {
      const messages = await task.waitFor(count);
      // The task has returned by the time that the broker answers.
      await made.count(queue);
      messages[count - 1].ack();
    }
    await consumer.stop();
    const warnings = lines.filter(({ level }) => level === "warn");
    assertEquals(warnings.length, prefetch === undefined ? 1 : 0);
    if (warnings.length > 0) assertMatch(warnings[0].message, /"prefetch" is 1, as many as/);
  }
});

Deno.test("Consumer tells which queue's tasks have blocked the event loop, and blames no other", async () => {
  await using made = await topology();
  const [busy, idle] = [await made.queue(), await made.queue()];
  await using connection = connectionForTest({ heartbeatSeconds: 1 });
  const told: ConsumerEventMap["loopblocked"][] = [];
  const consumers = [busy, idle].map((queueName) => {
    const consumer = new Consumer({
      connection,
      queueName,
      taskFunction: () => {
        const end = performance.now() + 1_000;
        while (performance.now() < end);
        return MessageStatus.SUCCESS;
      },
    });
    consumer.addEventListener("loopblocked", ({ detail }) => told.push(detail));
    return consumer;
  });
  for (const consumer of consumers) await consumer.start();
  await made.fill(busy, ["x"]);
  await eventually("it is told", () => told.length > 0);
  for (const consumer of consumers) await consumer.stop();
  assertEquals(told.map(({ queueName }) => queueName), [busy]);
  assert(told[0].blockedMs >= 500, `${told[0].blockedMs}`);
});
