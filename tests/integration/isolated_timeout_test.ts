/** Tasks in threads and processes that take too long. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { connectionForTest } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { isolatedConsumer, KINDS, noneLeft, taskThreads } from "../support/isolation.ts";
import { topology } from "../support/topology.ts";

for (const kind of KINDS) {
  Deno.test(`taskTimeoutMs aborts the signal in a ${kind}; what the task returns in its grace counts`, async () => {
    await using made = await topology();
    const queueName = await made.queue();
    await made.fill(queueName, ["obey 20"]);
    await using connection = connectionForTest();
    const times = { taskTimeoutMs: 100, taskGraceMs: 60_000 };
    const consumer = isolatedConsumer(kind, { connection, queueName, ...times });
    await consumer.start();
    await made.waitForCount(queueName, 0);
    await consumer.stop();
    await noneLeft();
    // It is rejected without requeue, as it was told.
    assertEquals([await made.count(queueName), consumer.told.failures], [0, []]);
  });

  Deno.test(`A task in a ${kind} that awaits for ever is ended after its grace, and counts as no overrun`, async () => {
    await using made = await topology();
    const queueName = await made.queue();
    await made.fill(queueName, ["hang", "done"]);
    await using connection = connectionForTest();
    const times = { taskTimeoutMs: 500, taskGraceMs: 500, retryDelayMs: 60_000 };
    const consumer = isolatedConsumer(kind, { connection, queueName, prefetch: 2, ...times });
    const dead = await made.queue();
    await consumer.start();
    await eventually("it has failed", () => consumer.told.failures.length === 1);
    assertMatch(
      consumer.told.failures[0],
      /^retry TimeoutError: .*its thread or process was ended/,
    );
    assertEquals(consumer.health().status, "up");
    await made.fill(queueName, ["done"]);
    assertEquals(await consumer.stop().then(({ abandoned }) => abandoned), 0);
    await noneLeft();
    assertEquals(await made.count(dead), 0);
    await made.takeAll(queueName);
  });
}

Deno.test("A task in a process that computes for ever is killed after its grace, and others go on", async () => {
  await using made = await topology();
  const dead = await made.queue();
  const queueName = await made.queue({
    arguments: { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead },
  });
  await made.fill(queueName, ["compute 1000000", "refuse"]);
  await using connection = connectionForTest();
  const times = { taskTimeoutMs: 500, taskGraceMs: 500, retryDelayMs: 60_000 };
  const consumer = isolatedConsumer("process", { connection, queueName, prefetch: 2, ...times });
  await consumer.start();
  await made.waitForCount(dead, 1);
  assertMatch(consumer.told.failures.join(), /^retry TimeoutError: [^]*process was ended/);
  assertEquals(consumer.health().status, "up");
  await consumer.stop();
  await made.waitForCount(queueName, 1);
});

Deno.test("A thread that computes for a moment after its grace is ended all the same", async () => {
  await using made = await topology();
  const queueName = await made.queue();
  await made.fill(queueName, ["hold 700"]);
  await using connection = connectionForTest();
  const times = { taskTimeoutMs: 200, taskGraceMs: 200, retryDelayMs: 60_000 };
  const consumer = isolatedConsumer("thread", { connection, queueName, ...times });
  await consumer.start();
  await eventually("it has failed", () => consumer.told.failures.length === 1);
  assertMatch(consumer.told.failures[0], /its thread or process was ended/);
  assertEquals(consumer.health().status, "up");
  await consumer.stop();
  await noneLeft();
  await made.waitForCount(queueName, 1);
});

Deno.test("A thread that computes on after its grace is abandoned and counted, until it ends", async () => {
  await using made = await topology();
  const dead = await made.queue();
  const queueName = await made.queue({
    arguments: { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead },
  });
  const folder = await Deno.makeTempDir();
  const gates = [`${folder}/one`, `${folder}/two`];
  await using connection = connectionForTest();
  const consumer = isolatedConsumer("thread", {
    connection,
    queueName,
    workers: 2,
    prefetch: 10,
    taskTimeoutMs: 1_000,
    taskGraceMs: 100,
    retryDelayMs: 60_000,
  });
  await consumer.start();
  await made.fill(queueName, [`compute-until ${gates[0]}`]);
  await eventually("it has failed", () => consumer.told.failures.length === 1);
  assertMatch(
    consumer.told.failures[0],
    /^retry TimeoutError: .*computes on, as a thread cannot be stopped: use isolation "process"/,
  );
  // Another thread has taken its place.
  assertEquals(consumer.health().status, "up");
  await eventually("there are three threads", () => taskThreads() === 3);
  await made.fill(queueName, ["refuse"]);
  await made.waitForCount(dead, 1);
  // As many as there are workers: no further ones.
  await made.fill(queueName, [`compute-until ${gates[1]}`]);
  await eventually("the consumer pauses", () => consumer.health().status === "down");
  const { reason } = consumer.health();
  assertMatch(reason ?? "", /^2 threads compute on .*use isolation "process"/);
  assert(taskThreads() <= 4, "never more than twice as many as there are workers");
  await made.fill(queueName, ["refuse"]);
  await Deno.writeTextFile(gates[0], "");
  await eventually("the consumer goes on", () => consumer.health().status === "up");
  await made.waitForCount(dead, 2);
  await Deno.writeTextFile(gates[1], "");
  await eventually("those that were abandoned are gone", () => taskThreads() === 2);
  await consumer.stop();
  await noneLeft();
  await Deno.remove(folder, { recursive: true });
  await made.waitForCount(queueName, 2);
});

Deno.test("A thread that computes on stays counted when the consumer is stopped and started again", async () => {
  await using made = await topology();
  const queueName = await made.queue();
  await using connection = connectionForTest();
  const times = { taskTimeoutMs: 100, taskGraceMs: 100, retryDelayMs: 0 };
  const consumer = isolatedConsumer("thread", { connection, queueName, ...times });
  await consumer.start();
  await made.fill(queueName, ["compute 5000"]);
  await eventually("it has failed", () => consumer.told.failures.length === 1);
  await consumer.stop();
  await made.waitForCount(queueName, 1);
  await made.takeAll(queueName);
  await consumer.start();
  assertMatch(consumer.health().reason ?? "", /^1 threads compute on/);
  await made.fill(queueName, ["done"]);
  await eventually("the consumer goes on", () => consumer.health().status === "up");
  await made.waitForCount(queueName, 0);
  await consumer.stop();
  await noneLeft();
});
