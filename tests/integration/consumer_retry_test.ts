import { assert, assertEquals } from "@std/assert";
import { Consumer, MessageStatus, type TaskFunction } from "../../mod.ts";
import { broker, connectionForTest } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { recordingLogger } from "../support/recording_logger.ts";
import { heldTask } from "../support/tasks.ts";
import { topology } from "../support/topology.ts";

const QUORUM = { arguments: { "x-queue-type": "quorum" } };

/** Timers of Deno and of the test may differ by so much. */
const TOLERANCE_MS = 20;

const FAILURES: Record<string, TaskFunction> = {
  "the task returns FAIL_RETRY_LATER": () => MessageStatus.FAIL_RETRY_LATER,
  "the task throws": () => {
    throw new Error("not now");
  },
  "message.rejectRetry is called": (message) => {
    message.rejectRetry();
    return MessageStatus.HANDLED_VIA_CALLBACK;
  },
};

for (const [what, fail] of Object.entries(FAILURES)) {
  Deno.test(`retryDelayMs passes, doubling, when ${what}`, async () => {
    await using made = await topology();
    const queue = await made.queue(QUORUM);
    await made.fill(queue, ["message"]);
    await using connection = connectionForTest();
    const times: number[] = [];
    const consumer = new Consumer({
      connection,
      queueName: queue,
      prefetch: 2,
      retryDelayMs: 100,
      taskFunction: (message) => {
        times.push(performance.now());
        return times.length < 4 ? fail(message) : MessageStatus.SUCCESS;
      },
    });
    consumer.addEventListener("taskfailed", () => {});
    await consumer.start();
    await eventually("it is delivered four times", () => times.length === 4);
    for (const [index, delayMs] of [100, 200, 400].entries()) {
      const passed = times[index + 1] - times[index];
      assert(passed >= delayMs - TOLERANCE_MS, `only ${passed} ms, not ${delayMs}`);
    }
  });
}

for (const [what, fail] of Object.entries(FAILURES)) {
  Deno.test(`Consumer warns before a quorum queue drops a message, when ${what}`, async () => {
    await using made = await topology();
    const queue = await made.queue({
      arguments: { ...QUORUM.arguments, "x-delivery-limit": 20 },
    });
    await made.fill(queue, ["message"]);
    const { logger, lines } = recordingLogger();
    await using connection = connectionForTest({ logger });
    const consumer = new Consumer({
      connection,
      queueName: queue,
      prefetch: 2,
      retryDelayMs: 0,
      taskFunction: fail,
    });
    consumer.addEventListener("taskfailed", () => {});
    await consumer.start();
    const warned = (times: number) =>
      lines.some(({ message }) =>
        message.startsWith(
          `a message of queue "${queue}" has failed ${times} times`,
        )
      );
    await eventually("it warns", () => warned(20));
    assert(warned(16));
    assert(!warned(15));
  });
}

Deno.test("retryDelayMs is a second by default, and others are worked on meanwhile", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using connection = connectionForTest();
  const times: number[] = [];
  let others = 0;
  const consumer = new Consumer({
    connection,
    queueName: queue,
    workers: 2,
    taskFunction: (message) => {
      if (message.text() === "other") {
        others++;
        return MessageStatus.SUCCESS;
      }
      times.push(performance.now());
      return times.length === 1 ? MessageStatus.FAIL_RETRY_LATER : MessageStatus.SUCCESS;
    },
  });
  await consumer.start();
  await made.fill(queue, ["fails"]);
  await eventually("it has failed", () => times.length === 1);
  await made.fill(queue, Array(100).fill("other"));
  await eventually("others are worked on", () => others === 100);
  assertEquals(times.length, 1);
  await eventually("it is delivered again", () => times.length === 2);
  assert(times[1] - times[0] >= 1_000 - TOLERANCE_MS, `only ${times[1] - times[0]} ms`);
});

Deno.test("retryDelayMs frees the worker of the message, and its place in prefetch", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["0", "1", "2"]);
  await using connection = connectionForTest();
  const task = heldTask();
  task.endAll(MessageStatus.FAIL_RETRY_LATER);
  const consumer = new Consumer({
    connection,
    queueName: queue,
    workers: 1,
    prefetch: 2,
    retryDelayMs: 900_000,
    taskFunction: task,
  });
  await consumer.start();
  await task.waitFor(3);
  assertEquals(consumer.health().heldUp, undefined);
  assertEquals(await consumer.stop(), { completed: 3, released: 0, abandoned: 0 });
  assertEquals(task.messages.length, 3);
  assertEquals(await made.count(queue), 3);
});

Deno.test("retryDelayMs: 0 requeues at once", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["message"]);
  await using connection = connectionForTest();
  let attempts = 0;
  const consumer = new Consumer({
    connection,
    queueName: queue,
    retryDelayMs: 0,
    taskFunction: () => ++attempts < 50 ? MessageStatus.FAIL_RETRY_LATER : MessageStatus.SUCCESS,
  });
  await consumer.start();
  await eventually("it has failed often", () => attempts === 50);
});

Deno.test("Message.deliveryCount tells how often a quorum queue has delivered it before", async () => {
  await using made = await topology();
  const queue = await made.queue(QUORUM);
  await made.fill(queue, ["message"]);
  await using connection = connectionForTest();
  const counts: (number | undefined)[] = [];
  const consumer = new Consumer({
    connection,
    queueName: queue,
    retryDelayMs: 1,
    taskFunction: (message) => {
      counts.push(message.deliveryCount);
      return counts.length < 4 ? MessageStatus.FAIL_RETRY_LATER : MessageStatus.SUCCESS;
    },
  });
  await consumer.start();
  await eventually("it is delivered four times", () => counts.length === 4);
  assertEquals(counts.map((count) => count ?? 0), [0, 1, 2, 3]);
});

Deno.test("Message.deliveryCount is undefined for a classic queue, which does not count", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["message"]);
  await using connection = connectionForTest();
  const task = heldTask();
  task.endAll();
  const consumer = new Consumer({ connection, queueName: queue, taskFunction: task });
  await consumer.start();
  assertEquals((await task.waitFor(1))[0].deliveryCount, undefined);
});

const [major, minor] = broker.version.split(".").map(Number);
/** Since 4.3 quorum queues count a reject and not a nack; before, every return counts. */
const countsRejectsOnly = major > 4 || (major === 4 && minor >= 3);

Deno.test({
  name: "Consumer.stop does not use up deliveries of what it releases, from RabbitMQ 4.3 on",
  ignore: !countsRejectsOnly,
  fn: async () => {
    await using made = await topology();
    const queue = await made.queue(QUORUM);
    await made.fill(queue, ["failed", "released"]);
    await using connection = connectionForTest();
    const task = heldTask();
    const consumer = new Consumer({
      connection,
      queueName: queue,
      prefetch: 2,
      taskFunction: task,
    });
    await consumer.start();
    await task.waitFor(1);
    await made.waitForCount(queue, 0);
    const stopping = consumer.stop();
    task.endAll(MessageStatus.FAIL_RETRY_LATER);
    assertEquals(await stopping, { completed: 1, released: 1, abandoned: 0 });
    const counts: Record<string, unknown> = {};
    for (let taken = 0; taken < 2; taken++) {
      const { content, properties } = await made.take(queue);
      counts[content.toString()] = properties.headers?.["x-delivery-count"] ?? 0;
    }
    assertEquals(counts, { failed: 1, released: 0 });
  },
});

Deno.test("What came to its delivery limit stays in a dead-letter queue that has none, though it is given back", async () => {
  await using made = await topology();
  const dead = await made.queue({
    arguments: { ...QUORUM.arguments, "x-delivery-limit": 1_000_000_000 },
  });
  const queue = await made.queue({
    arguments: {
      ...QUORUM.arguments,
      "x-delivery-limit": 20,
      "x-dead-letter-exchange": "",
      "x-dead-letter-routing-key": dead,
    },
  });
  await made.fill(queue, ["failed", "released"]);
  {
    await using connection = connectionForTest();
    const taskFunction = () => MessageStatus.FAIL_RETRY_LATER;
    const worker = new Consumer({ connection, queueName: queue, retryDelayMs: 0, taskFunction });
    await worker.start();
    await made.waitForCount(dead, 2);
  }
  await using connection = connectionForTest();
  const task = heldTask();
  const undertaker = new Consumer({
    connection,
    queueName: dead,
    prefetch: 2,
    retryDelayMs: 0,
    taskFunction: task,
  });
  await undertaker.start();
  await task.waitFor(1);
  await made.waitForCount(dead, 0);
  const stopping = undertaker.stop();
  task.endAll(MessageStatus.FAIL_RETRY_LATER);
  assertEquals(await stopping, { completed: 1, released: 1, abandoned: 0 });
  await made.waitForCount(dead, 2);
});
