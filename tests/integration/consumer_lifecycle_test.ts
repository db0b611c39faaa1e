import { assertEquals, assertRejects } from "@std/assert";
import { Consumer } from "../../mod.ts";
import { connectionForTest } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { startProxy } from "../support/proxy.ts";
import { heldTask, notingTask } from "../support/tasks.ts";
import { topology } from "../support/topology.ts";

Deno.test("Consumer.stop may be called many times, before start, and during it", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using connection = connectionForTest();
  const task = heldTask();
  const consumer = new Consumer({ connection, queueName: queue, taskFunction: task });
  const nothing = { completed: 0, released: 0, abandoned: 0 };
  assertEquals(await consumer.stop(), nothing);
  assertEquals(consumer.health().reason, "not started");

  const starting = consumer.start();
  const refused = assertRejects(() => starting);
  assertEquals(await consumer.stop(), nothing);
  await refused;
  assertEquals(consumer.health().reason, "stopped");

  await consumer.start();
  await made.fill(queue, ["one"]);
  await task.waitFor(1);
  const stops = [consumer.stop(), consumer.stop(), consumer.stop({ timeoutMs: 0 })];
  task.endAll();
  for (const stopped of stops) assertEquals((await stopped).completed, 1);
  assertEquals(await consumer.stop(), nothing);
});

Deno.test("Consumer.start after a stop consumes again; a second start changes nothing", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using connection = connectionForTest();
  const task = notingTask();
  const consumer = new Consumer({ connection, queueName: queue, taskFunction: task });
  for (let round = 1; round <= 3; round++) {
    await Promise.all([consumer.start(), consumer.start()]);
    await consumer.start();
    assertEquals((await made.channel.checkQueue(queue)).consumerCount, 1);
    await made.fill(queue, [`round ${round}`]);
    await task.waitFor(round);
    // A start that comes during the stop waits for it.
    if (round === 1) await Promise.all([consumer.stop(), consumer.start(), consumer.start()]);
    await consumer.stop();
    assertEquals((await made.channel.checkQueue(queue)).consumerCount, 0);
  }
  assertEquals(task.bodies, ["round 1", "round 2", "round 3"]);
});

Deno.test("Consumer is stopped by await using", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["one"]);
  await using connection = connectionForTest();
  const task = notingTask();
  {
    await using consumer = new Consumer({ connection, queueName: queue, taskFunction: task });
    await consumer.start();
    await task.waitFor(1);
  }
  assertEquals((await made.channel.checkQueue(queue)).consumerCount, 0);
  assertEquals(await made.count(queue), 0);
});

Deno.test("Consumer.stop returns while the connection is lost, by its deadline where a task goes on", async () => {
  await using made = await topology();
  await using proxy = startProxy();
  const queue = await made.queue();
  await made.fill(queue, ["one"]);
  const { hostname, port } = proxy;
  await using connection = connectionForTest({ hostname, port });
  const task = heldTask();
  const consumer = new Consumer({ connection, queueName: queue, taskFunction: task });
  await consumer.start();
  const [{ signal }] = await task.waitFor(1);
  proxy.refuse();
  proxy.cut();
  await eventually("the loss is noticed", () => signal.aborted);
  assertEquals(consumer.health().status, "recovering");
  const { completed, released } = await consumer.stop({ timeoutMs: 50 });
  assertEquals([completed, released], [0, 0]);
  assertEquals(consumer.health().reason, "stopped");
  assertEquals((await made.take(queue)).content.toString(), "one");
  task.endAll();
});
