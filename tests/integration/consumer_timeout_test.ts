import { assert, assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import { Consumer, type ConsumerEventMap, MessageStatus } from "../../mod.ts";
import { connectionForTest } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { recordingLogger } from "../support/recording_logger.ts";
import { heldTask } from "../support/tasks.ts";
import { topology } from "../support/topology.ts";

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
}

Deno.test("taskTimeoutMs aborts the signal of the message; what the task returns in its grace counts", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["slow", "quick"]);
  await using connection = connectionForTest();
  const reasons: unknown[] = [];
  const signals: AbortSignal[] = [];
  const consumer = new Consumer({
    connection,
    queueName: queue,
    taskTimeoutMs: 100,
    taskGraceMs: 60_000,
    taskFunction: async ({ signal }) => {
      signals.push(signal);
      if (signals.length > 1) return MessageStatus.SUCCESS;
      await aborted(signal);
      reasons.push(signal.reason);
      return MessageStatus.SUCCESS;
    },
  });
  consumer.addEventListener("taskfailed", ({ detail }) => reasons.push(detail.error));
  await consumer.start();
  await eventually("both are worked on", () => signals.length === 2);
  await consumer.stop();
  assertEquals(reasons.length, 1);
  assertInstanceOf(reasons[0], DOMException);
  assertEquals(reasons[0].name, "TimeoutError");
  assertEquals(signals.map((signal) => signal.aborted), [true, false]);
  assertEquals(await made.count(queue), 0);
});

Deno.test("taskTimeoutMs retries the message after its grace, frees the worker, and ignores the late return", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using connection = connectionForTest();
  const end = Promise.withResolvers<MessageStatus>();
  const meeting = Promise.withResolvers<void>();
  const failed: ConsumerEventMap["taskfailed"][] = [];
  const attempts: string[] = [];
  const lost: Error[] = [];
  let meeters = 0;
  const consumer = new Consumer({
    connection,
    queueName: queue,
    workers: 2,
    prefetch: 4,
    taskTimeoutMs: 1_000,
    taskGraceMs: 0,
    retryDelayMs: 20,
    taskFunction: async (message) => {
      attempts.push(message.text());
      if (message.text() === "endless") {
        return attempts.length === 1 ? await end.promise : MessageStatus.SUCCESS;
      }
      // Both of these run at a time, beside the one that overruns.
      if (++meeters === 2) meeting.resolve();
      await meeting.promise;
      return MessageStatus.SUCCESS;
    },
  });
  consumer.addEventListener("taskfailed", ({ detail }) => failed.push(detail));
  consumer.addEventListener("channellost", ({ detail }) => lost.push(detail.cause));
  await consumer.start();
  await made.fill(queue, ["endless"]);
  await eventually("it overruns and is delivered again", () => attempts.length === 2);
  assertEquals(consumer.health().status, "up");
  await made.fill(queue, ["one", "two"]);
  await meeting.promise;
  assertEquals(failed.length, 1);
  const [{ message, error, outcome }] = failed;
  assertEquals([message.text(), outcome, error.name], ["endless", "retry", "TimeoutError"]);
  assertMatch(error.message, /signal was aborted at 1000 ms.*what it returns is ignored/);
  assert(message.signal.aborted);
  // An acknowledgement of what was requeued already would cost the channel.
  end.resolve(MessageStatus.SUCCESS);
  await made.fill(queue, ["last"]);
  await eventually("the last is worked on", () => attempts.includes("last"));
  await consumer.stop();
  assertEquals(attempts.toSorted(), ["endless", "endless", "last", "one", "two"]);
  assertEquals(lost, []);
  assertEquals(await made.count(queue), 0);
});

Deno.test("Consumer takes no messages while as many tasks as workers overrun, and resumes when one ends", async () => {
  await using made = await topology();
  const queue = await made.queue();
  const { logger, lines } = recordingLogger();
  await using connection = connectionForTest({ logger });
  const task = heldTask();
  const others: string[] = [];
  const consumer = new Consumer({
    connection,
    queueName: queue,
    workers: 2,
    prefetch: 10,
    taskTimeoutMs: 50,
    taskGraceMs: 0,
    retryDelayMs: 900_000,
    taskFunction: (message) => {
      if (["0", "1"].includes(message.text())) return task(message);
      others.push(message.text());
      return MessageStatus.SUCCESS;
    },
  });
  let failures = 0;
  consumer.addEventListener("taskfailed", () => failures++);
  await consumer.start();
  await made.fill(queue, ["0", "1"]);
  await eventually("the consumer pauses", () => consumer.health().status === "down");
  assertMatch(consumer.health().reason!, /^2 tasks run on although their time is over/);
  assertEquals(failures, 2);
  assertEquals(lines.filter(({ level }) => level === "error").length, 1);
  await eventually(
    "the broker has no consumer",
    async () => (await made.channel.checkQueue(queue)).consumerCount === 0,
  );
  await made.fill(queue, ["2", "3", "4"]);
  await made.waitForCount(queue, 3);
  assertEquals([task.messages.length, others], [2, []]);
  task.end();
  await eventually("the consumer resumes", () => others.length === 3);
  assertEquals(consumer.health().status, "up");
  task.endAll();
  await consumer.stop();
  assertEquals(others, ["2", "3", "4"]);
  // Those that overran waited for their retry, and were put back by the stop.
  assertEquals(await made.count(queue), 2);
});

Deno.test("Consumer gives back what has not begun when it stops taking messages", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["0", "1", "2"]);
  await using connection = connectionForTest();
  const task = heldTask();
  const consumer = new Consumer({
    connection,
    queueName: queue,
    prefetch: 3,
    taskTimeoutMs: 50,
    taskGraceMs: 0,
    retryDelayMs: 900_000,
    taskFunction: task,
  });
  await consumer.start();
  const given = await made.hold(queue, 2);
  assertEquals(given.map(({ content }) => content.toString()), ["1", "2"]);
  assertEquals(task.messages.length, 1);
  assertEquals(consumer.health().status, "down");
  task.endAll();
});

Deno.test("Consumer.stop does not wait for tasks that overrun, and a start after it pauses again", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["0"]);
  await using connection = connectionForTest();
  const task = heldTask();
  const consumer = new Consumer({
    connection,
    queueName: queue,
    taskTimeoutMs: 50,
    taskGraceMs: 0,
    retryDelayMs: 900_000,
    taskFunction: task,
  });
  await consumer.start();
  await eventually("the consumer pauses", () => consumer.health().status === "down");
  // It waits for its retry only, and that is cut short.
  assertEquals(await consumer.stop({ timeoutMs: 60_000 }), {
    completed: 1,
    released: 0,
    abandoned: 0,
  });
  assertEquals(task.running, 1);
  await consumer.start();
  assertEquals(consumer.health().status, "down");
  task.endAll();
  await task.waitFor(2);
  await consumer.stop();
  assertEquals(await made.count(queue), 0);
});
