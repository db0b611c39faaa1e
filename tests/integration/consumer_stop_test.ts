import { assert, assertEquals } from "@std/assert";
import { Consumer, type Message, MessageStatus } from "../../mod.ts";
import { connectionForTest, isVersion4, notOurs, openAtBroker } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { heldTask, notingTask } from "../support/tasks.ts";
import { topology } from "../support/topology.ts";

Deno.test("Consumer.stop lets running tasks end, and releases what has not begun at once", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["a", "b", "c", "d", "e"]);
  await using connection = connectionForTest();
  const task = heldTask();
  const consumer = new Consumer({
    connection,
    queueName: queue,
    workers: 2,
    prefetch: 5,
    taskFunction: task,
  });
  await consumer.start();
  await task.waitFor(2);
  await made.waitForCount(queue, 0);
  const stopping = consumer.stop();
  assertEquals(consumer.health().status, "down");
  // Another consumer has them while the tasks are still running.
  const other = await made.hold(queue, 3);
  assertEquals(other.map(({ content }) => content.toString()), ["c", "d", "e"]);
  assertEquals(task.running, 2);
  task.end();
  task.end(MessageStatus.FAIL_DO_NOT_RETRY);
  assertEquals(await stopping, { completed: 2, released: 3, abandoned: 0 });
  assertEquals(task.messages.length, 2);
  assert(task.messages.every(({ signal }) => !signal.aborted), "nobody had to hurry");
  assertEquals(await made.count(queue), 0);
});

Deno.test("Consumer.stop gives up at its deadline, and the broker delivers again", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["endless"]);
  await using connection = connectionForTest();
  const task = heldTask();
  const consumer = new Consumer({ connection, queueName: queue, taskFunction: task });
  await consumer.start();
  const [message] = await task.waitFor(1);
  const { signal } = message;
  assertEquals(await consumer.stop({ timeoutMs: 50 }), {
    completed: 0,
    released: 0,
    abandoned: 1,
  });
  assert(signal.aborted);
  assertEquals(message.ack(), false);
  // The connection is still open: it is the channel whose end brings the message back.
  const again = await made.take(queue);
  assertEquals(again.content.toString(), "endless");
  assertEquals(again.fields.redelivered, true);
  task.endAll();
});

Deno.test({
  name: "Consumer.stop closes its channel, whether or not it had to give up",
  ignore: notOurs,
  fn: async () => {
    await using made = await topology();
    const queue = await made.queue();
    const connectionName = made.unused();
    await using connection = connectionForTest({ connectionName });
    for (const timeoutMs of [10_000, 0]) {
      await made.fill(queue, ["one"]);
      const task = heldTask();
      const consumer = new Consumer({ connection, queueName: queue, taskFunction: task });
      await consumer.start();
      await task.waitFor(1);
      assertEquals((await openAtBroker(connectionName)).channels, 1);
      const stopping = consumer.stop({ timeoutMs });
      if (timeoutMs > 0) task.endAll();
      await stopping;
      await eventually(
        "the channel is closed",
        async () => (await openAtBroker(connectionName)).channels === 0,
      );
      task.endAll();
      await made.takeAll(queue);
    }
  },
});

Deno.test("Consumer.stop requeues at once what waits for its retry", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["a", "b"]);
  await using connection = connectionForTest();
  const task = notingTask(MessageStatus.FAIL_RETRY_LATER);
  const consumer = new Consumer({
    connection,
    queueName: queue,
    workers: 2,
    retryDelayMs: 900_000,
    taskFunction: task,
  });
  await consumer.start();
  await task.waitFor(2);
  assertEquals(await consumer.stop(), { completed: 2, released: 0, abandoned: 0 });
  assertEquals(await made.count(queue), 2);
});

Deno.test("Consumer.stop requeues at once what fails while it drains", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["task", "callback"]);
  await using connection = connectionForTest();
  const task = heldTask();
  const consumer = new Consumer({
    connection,
    queueName: queue,
    workers: 1,
    prefetch: 2,
    retryDelayMs: 900_000,
    taskFunction: task,
  });
  await consumer.start();
  await task.waitFor(1);
  task.end(MessageStatus.HANDLED_VIA_CALLBACK);
  await task.waitFor(2);
  const stopping = consumer.stop();
  task.end(MessageStatus.FAIL_RETRY_LATER);
  assertEquals(task.messages[0].rejectRetry(), true);
  assertEquals(await stopping, { completed: 2, released: 0, abandoned: 0 });
  assertEquals(await made.count(queue), 2);
});

Deno.test("Consumer.stop waits for what was handed to callbacks", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["one"]);
  await using connection = connectionForTest();
  const task = notingTask(MessageStatus.HANDLED_VIA_CALLBACK);
  const consumer = new Consumer({
    connection,
    queueName: queue,
    prefetch: 10,
    taskFunction: task,
  });
  await consumer.start();
  const [message] = await task.waitFor(1);
  const stopping = consumer.stop();
  await eventually(
    "the broker has no consumer",
    async () => (await made.channel.checkQueue(queue)).consumerCount === 0,
  );
  // Whoever does not wait closes the channel now, and the message is ready again.
  for (let looks = 0; looks < 5; looks++) assertEquals(await made.count(queue), 0);
  assertEquals(message.ack(), true);
  assertEquals(await stopping, { completed: 1, released: 0, abandoned: 0 });
  assertEquals(message.reject(), false);
  assertEquals(await made.count(queue), 0);
});

Deno.test("Consumer.stop abandons at its deadline what no callback has settled", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["one", "two"]);
  await using connection = connectionForTest();
  const task = notingTask(MessageStatus.HANDLED_VIA_CALLBACK);
  const options = { connection, queueName: queue, prefetch: 10, taskFunction: task };
  const consumer = new Consumer(options);
  await consumer.start();
  const messages = await task.waitFor(2);
  assertEquals(messages[0].ack(), true);
  assertEquals(await consumer.stop({ timeoutMs: 0 }), {
    completed: 0,
    released: 0,
    abandoned: 1,
  });
  // After the stop a settlement comes too late, and says so.
  assertEquals(messages[1].ack(), false);
  assertEquals((await made.take(queue)).content.toString(), "two");
});

/** A task that goes on until its signal aborts, and then ends as it is told. */
function untilAborted(how: (reason: Error) => MessageStatus | Promise<MessageStatus>) {
  const begun = Promise.withResolvers<Message>();
  const task = (message: Message) =>
    new Promise<MessageStatus>((resolve) => {
      message.signal.addEventListener("abort", () => resolve(how(message.signal.reason)));
      begun.resolve(message);
    });
  return { task, begun: begun.promise };
}

Deno.test("Consumer.stop aborts signals before its deadline: a task may still finish then", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["a"]);
  await using connection = connectionForTest();
  const { task, begun } = untilAborted(() => MessageStatus.SUCCESS);
  const consumer = new Consumer({ connection, queueName: queue, taskFunction: task });
  await consumer.start();
  await begun;
  const result = await consumer.stop({ timeoutMs: 2_000 });
  assertEquals(result, { completed: 1, released: 0, abandoned: 0 });
  assertEquals(await made.count(queue), 0);
});

Deno.test("Consumer.stop: a task that ends because of its signal gives its message back, and that is no failure", async () => {
  await using made = await topology();
  const queue = await made.queue({ arguments: { "x-queue-type": "quorum" } });
  await made.fill(queue, ["a"]);
  await using connection = connectionForTest();
  const failures: string[] = [];
  const counts: (number | undefined)[] = [];
  const ways = [
    (reason: Error) => Promise.reject(reason),
    () => MessageStatus.FAIL_RETRY_LATER,
    (reason: Error) => Promise.reject(reason),
  ];
  for (const how of ways) {
    const { task, begun } = untilAborted(how);
    const consumer = new Consumer({ connection, queueName: queue, taskFunction: task });
    consumer.addEventListener("taskfailed", ({ detail }) => failures.push(detail.error.message));
    await consumer.start();
    counts.push((await begun).deliveryCount);
    const result = await consumer.stop({ timeoutMs: 2_000 });
    assertEquals(result, { completed: 0, released: 0, abandoned: 1 });
    await made.waitForCount(queue, 1);
  }
  assertEquals(failures, []);
  // RabbitMQ 3 counts each delivery that comes back, whatever it was given back for.
  assertEquals(counts, [undefined, ...isVersion4 ? [undefined, undefined] : [1, 2]]);
});
