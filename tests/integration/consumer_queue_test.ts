import { Buffer } from "node:buffer";
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { Consumer } from "../../mod.ts";
import { connectionForTest, notOurs } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { queueAtBroker } from "../support/queue_at_broker.ts";
import { notingTask } from "../support/tasks.ts";
import { type Topology, topology } from "../support/topology.ts";

function publish(made: Topology, exchange: string, keys: readonly string[]): void {
  for (const key of keys) made.channel.publish(exchange, key, Buffer.from(key));
}

Deno.test("Consumer binds a queue with several keys, and leaves it bound", async () => {
  await using made = await topology();
  const queue = await made.queue();
  const exchange = await made.exchange("direct");
  await using connection = connectionForTest();
  const task = notingTask();
  const consumer = new Consumer({
    connection,
    queueName: queue,
    exchange,
    bindingKeys: ["black", "red", ""],
    taskFunction: task,
  });
  assertEquals(consumer.queueName, queue);
  await consumer.start();
  publish(made, exchange, ["black", "green", "red", "blue", "black", ""]);
  await task.waitFor(4);
  assertEquals(task.bodies, ["black", "red", "black", ""]);
  assertEquals(task.messages.map(({ routingKey }) => routingKey), ["black", "red", "black", ""]);
  assertEquals(task.messages[0].exchange, exchange);
  await consumer.stop();
  publish(made, exchange, ["red"]);
  assertEquals((await made.take(queue)).content.toString(), "red");
});

Deno.test("Consumer with an exchange and no keys binds with the empty key", async () => {
  await using made = await topology();
  const fanout = await made.exchange("fanout");
  const direct = await made.exchange("direct");
  await using connection = connectionForTest();
  const all = notingTask();
  const empty = notingTask();
  const consumers = [
    new Consumer({ connection, queueName: "", exchange: fanout, taskFunction: all }),
    new Consumer({ connection, queueName: "", exchange: direct, taskFunction: empty }),
  ];
  for (const consumer of consumers) await consumer.start();
  publish(made, fanout, ["any", "key"]);
  await all.waitFor(2);
  publish(made, direct, ["any", ""]);
  await empty.waitFor(1);
  assertEquals(all.bodies, ["any", "key"]);
  assertEquals(empty.bodies, [""]);
});

Deno.test("Consumer of a temporary queue gets one named by the broker, each its own, again after a stop", async () => {
  await using made = await topology();
  const exchange = await made.exchange("fanout");
  await using connection = connectionForTest();
  const tasks = [notingTask(), notingTask()];
  const consumers = tasks.map((taskFunction) =>
    new Consumer({ connection, queueName: "", exchange, taskFunction })
  );
  assertEquals(consumers[0].queueName, "");
  for (const consumer of consumers) {
    await consumer.start();
    assertMatch(consumer.queueName, /^amq\.gen-/);
  }
  const [first] = consumers;
  const { queueName } = first;
  assertNotEquals(queueName, consumers[1].queueName);
  publish(made, exchange, ["one"]);
  for (const task of tasks) await task.waitFor(1);
  await first.stop();
  await first.start();
  assertNotEquals(first.queueName, queueName);
  publish(made, exchange, ["two"]);
  for (const task of tasks) await task.waitFor(2);
  for (const task of tasks) assertEquals(task.bodies, ["one", "two"]);
});

Deno.test({
  name:
    "Consumer makes its temporary queue exclusive, classic, with the arguments given, and deletes it",
  ignore: notOurs,
  fn: async () => {
    await using connection = connectionForTest();
    const consumer = new Consumer({
      connection,
      queueName: "",
      queueArguments: { "x-expires": 60_000, "x-max-length": 7, "x-queue-type": "classic" },
      taskFunction: notingTask(),
    });
    await consumer.start();
    const { queueName } = consumer;
    const queue = await queueAtBroker(queueName);
    assert(queue !== undefined);
    assertEquals(queue.isExclusive, true);
    assertEquals(queue.isDurable, false);
    assertMatch(queue.arguments, /<<"x-expires">>,\w+,60000\b/);
    assertMatch(queue.arguments, /<<"x-max-length">>,\w+,7\b/);
    assertMatch(queue.arguments, /<<"x-queue-type">>,longstr,\s*<<"classic">>/);
    // With the connection still open: the stop has deleted it.
    await consumer.stop();
    assertEquals(await queueAtBroker(queueName), undefined);
  },
});

Deno.test({
  name: "Consumer deletes its temporary queue also when its stop had to give up",
  ignore: notOurs,
  fn: async () => {
    await using made = await topology();
    await using connection = connectionForTest();
    const endless = Promise.withResolvers<never>();
    let begun = 0;
    const consumer = new Consumer({
      connection,
      queueName: "",
      taskFunction: () => {
        begun++;
        return endless.promise;
      },
    });
    await consumer.start();
    const { queueName } = consumer;
    await made.fill(queueName, ["one", "two"]);
    await eventually("a task runs", () => begun === 1);
    assertEquals((await consumer.stop({ timeoutMs: 0 })).abandoned, 1);
    assertEquals(await queueAtBroker(queueName), undefined);
  },
});
