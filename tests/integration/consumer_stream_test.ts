import { Buffer } from "node:buffer";
import { assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { ChannelError, Consumer, MessageStatus } from "../../mod.ts";
import { connectionForTest } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { recordingLogger } from "../support/recording_logger.ts";
import { notingTask } from "../support/tasks.ts";
import { topology } from "../support/topology.ts";

Deno.test("Consumer refuses a stream by its first delivery: nothing is settled, no neighbour is harmed", async () => {
  await using made = await topology();
  const stream = await made.queue({ arguments: { "x-queue-type": "stream" } });
  const queue = await made.queue();
  const { logger, lines } = recordingLogger();
  await using connection = connectionForTest({ logger });
  const losses: Error[] = [];
  connection.addEventListener("disconnected", ({ detail }) => losses.push(detail.cause));
  const neighbourTask = notingTask();
  const neighbour = new Consumer({ connection, queueName: queue, taskFunction: neighbourTask });
  neighbour.addEventListener("channellost", ({ detail }) => losses.push(detail.cause));
  await neighbour.start();
  const task = notingTask(MessageStatus.FAIL_RETRY_LATER);
  const consumer = new Consumer({
    connection,
    queueName: stream,
    prefetch: 10,
    retryDelayMs: 1,
    taskFunction: task,
  });
  const gaveUp: Error[] = [];
  consumer.addEventListener("gaveup", ({ detail }) => gaveUp.push(detail.cause));
  await consumer.start();
  // What it is to consume begins with the next message.
  await made.fill(stream, ["a", "b", "c"]);
  const cause = await consumer.closed;
  assertInstanceOf(cause, ChannelError);
  assertEquals([cause.code, cause.queue], ["STREAM_NOT_SUPPORTED", stream]);
  assertEquals([gaveUp, task.messages], [[cause], []]);
  const { status, reason } = consumer.health();
  assertEquals(status, "down");
  assertStringIncludes(reason!, "is a stream");
  assertEquals(lines.filter(({ level }) => level === "error").map(({ message }) => message), [
    cause.message,
  ]);
  await made.fill(queue, ["neighbour"]);
  await neighbourTask.waitFor(1);
  assertEquals(losses, []);
});

Deno.test("Consumer works on a message whose sender has written the header of a stream", async () => {
  for (const type of ["classic", "quorum"]) {
    await using made = await topology();
    const queue = await made.queue({ arguments: { "x-queue-type": type } });
    await using connection = connectionForTest();
    const task = notingTask();
    const consumer = new Consumer({
      connection,
      queueName: queue,
      prefetch: 5,
      taskFunction: task,
    });
    for (const body of ["a", "b", "c"]) {
      made.channel.sendToQueue(queue, Buffer.from(body), { headers: { "x-stream-offset": 1 } });
    }
    await made.waitForCount(queue, 3);
    await consumer.start();
    await task.waitFor(3);
    assertEquals(task.bodies, ["a", "b", "c"]);
    await eventually("it is up", () => consumer.health().status === "up");
    await consumer.stop();
    await made.waitForCount(queue, 0);
  }
});
