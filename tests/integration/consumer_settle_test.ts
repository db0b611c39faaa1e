import { assertEquals, assertNotStrictEquals } from "@std/assert";
import { Consumer, type Message, MessageStatus } from "../../mod.ts";
import { connectionForTest } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { startProxy } from "../support/proxy.ts";
import { heldTask, notingTask } from "../support/tasks.ts";
import { topology } from "../support/topology.ts";

Deno.test("Message.ack, reject and rejectRetry settle it detached, whatever arguments they are called with", async () => {
  await using made = await topology();
  const dead = await made.queue();
  const queue = await made.queue({
    arguments: { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead },
  });
  await made.fill(queue, ["ack", "reject", "rejectRetry"]);
  await using connection = connectionForTest();
  const task = notingTask(MessageStatus.HANDLED_VIA_CALLBACK);
  const consumer = new Consumer({
    connection,
    queueName: queue,
    prefetch: 10,
    retryDelayMs: 0,
    taskFunction: task,
  });
  await consumer.start();
  const messages = await task.waitFor(3);
  for (const message of messages.slice(0, 3)) {
    const how = message.text() as "ack" | "reject" | "rejectRetry";
    // As callbacks are called by code that knows nothing of messages.
    const settle = message[how] as (...args: unknown[]) => unknown;
    assertEquals(
      settle.call(undefined, new Error("no"), true, { requeue: how === "reject" }),
      true,
    );
  }
  await task.waitFor(4);
  assertEquals(task.bodies, ["ack", "reject", "rejectRetry", "rejectRetry"]);
  assertEquals(messages[3].redelivered, true);
  assertEquals((await made.take(dead)).content.toString(), "reject");
  messages[3].ack();
  assertEquals((await consumer.stop()).abandoned, 0);
  assertEquals(await made.count(queue), 0);
  assertEquals(await made.count(dead), 0);
});

Deno.test("Message settles once: what comes second returns false and leaves the channel open", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["0", "1", "2"]);
  await using connection = connectionForTest();
  const task = notingTask(MessageStatus.HANDLED_VIA_CALLBACK);
  const consumer = new Consumer({
    connection,
    queueName: queue,
    prefetch: 10,
    retryDelayMs: 0,
    taskFunction: task,
  });
  const lost: Error[] = [];
  consumer.addEventListener("channellost", ({ detail }) => lost.push(detail.cause));
  await consumer.start();
  const messages = await task.waitFor(3);
  const firsts = ["ack", "reject", "rejectRetry"] as const;
  for (const [index, first] of firsts.entries()) {
    assertEquals(messages[index][first](), true);
    for (const second of firsts) assertEquals(messages[index][second](), false);
  }
  await task.waitFor(4); // The third again, on the same channel.
  messages[3].ack();
  await made.fill(queue, ["next"]);
  await task.waitFor(5);
  messages[4].ack();
  assertEquals(await consumer.stop(), { completed: 0, released: 0, abandoned: 0 });
  assertEquals(lost, []);
});

Deno.test("Message.ack by the task stands, whatever the task returns or throws afterwards", async () => {
  await using made = await topology();
  const queue = await made.queue();
  const bodies = ["FAIL_RETRY_LATER", "FAIL_DO_NOT_RETRY", "SUCCESS", "throw", "nonsense"];
  await using connection = connectionForTest();
  const answers: boolean[] = [];
  const consumer = new Consumer({
    connection,
    queueName: queue,
    retryDelayMs: 0,
    taskFunction: (message) => {
      answers.push(message.ack());
      if (message.text() === "throw") throw new Error("after the acknowledgement");
      return message.text() as MessageStatus;
    },
  });
  const lost: Error[] = [];
  consumer.addEventListener("channellost", ({ detail }) => lost.push(detail.cause));
  await consumer.start();
  await made.fill(queue, bodies);
  await eventually("all are worked on", () => answers.length === bodies.length);
  await consumer.stop();
  assertEquals(answers, bodies.map(() => true));
  assertEquals(lost, []);
  assertEquals(await made.count(queue), 0);
});

Deno.test("Message.ack after a reconnect returns false and does not acknowledge another's message", async () => {
  await using made = await topology();
  await using proxy = startProxy();
  const queue = await made.queue();
  await made.fill(queue, ["first"]);
  const { hostname, port } = proxy;
  await using connection = connectionForTest({
    hostname,
    port,
    reconnect: { initialDelayMs: 1, maxDelayMs: 20 },
  });
  connection.addEventListener("disconnected", () => {});
  const task = heldTask();
  const consumer = new Consumer({ connection, queueName: queue, taskFunction: task });
  await consumer.start();
  const [before] = await task.waitFor(1);
  proxy.cut();
  await eventually("the loss is noticed", () => before.signal.aborted);
  // The dead channel's task ends, and the next one gets the same delivery tag on the new channel.
  for (const settle of [before.ack, before.reject, before.rejectRetry]) {
    assertEquals(settle(), false);
  }
  task.end();
  const after: Message = (await task.waitFor(2))[1];
  assertNotStrictEquals(after, before);
  assertEquals(after.redelivered, true);
  for (const settle of [before.ack, before.reject, before.rejectRetry]) {
    assertEquals(settle(), false);
  }
  // Had it been acknowledged by the first one, giving up would not bring it back.
  assertEquals(await consumer.stop({ timeoutMs: 0 }), { completed: 0, released: 0, abandoned: 1 });
  assertEquals((await made.take(queue)).content.toString(), "first");
  task.endAll();
});
