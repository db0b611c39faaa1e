import { Buffer } from "node:buffer";
import { assertEquals } from "@std/assert";
import { type Connection, Consumer, MessageStatus, Publisher } from "../../mod.ts";
import { connectionForTest } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { heldTask, type NotingTask, notingTask } from "../support/tasks.ts";
import { topology } from "../support/topology.ts";

async function publisherOn(connection: Connection): Promise<Publisher> {
  const publisher = new Publisher({ connection });
  await publisher.start();
  return publisher;
}

/** Consumers with temporary queues, one for each set of keys. */
async function subscribe(
  connection: Connection,
  exchange: string,
  keys: readonly (string[] | undefined)[],
): Promise<NotingTask[]> {
  const tasks = keys.map(() => notingTask());
  for (const [index, taskFunction] of tasks.entries()) {
    const bindingKeys = keys[index];
    await new Consumer({ connection, queueName: "", exchange, bindingKeys, taskFunction }).start();
  }
  return tasks;
}

Deno.test("Work queue: competing consumers share the messages, and a slow one holds none of the others'", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using connection = connectionForTest();
  const publisher = await publisherOn(connection);
  const slow = heldTask();
  const quick = notingTask();
  const options = { connection, queueName: queue };
  const slowConsumer = new Consumer({ ...options, taskFunction: slow });
  await slowConsumer.start();
  await publisher.sendMessageToQueue({ queueName: queue, body: "slow" });
  await slow.waitFor(1);
  await new Consumer({ ...options, taskFunction: quick }).start();
  const bodies = Array.from({ length: 50 }, (_, index) => `${index}`);
  await Promise.all(bodies.map((body) => publisher.sendMessageToQueue({ queueName: queue, body })));
  // All of them, although one of the two consumers is busy throughout.
  await quick.waitFor(bodies.length);
  assertEquals(quick.bodies, bodies);
  assertEquals(slow.messages.length, 1);
  slow.endAll();
  assertEquals((await slowConsumer.stop()).abandoned, 0);
  assertEquals(await made.count(queue), 0);
});

Deno.test("Work queue: busy consumers each get their share", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using connection = connectionForTest();
  const tasks = [heldTask(), heldTask(), heldTask()];
  for (const taskFunction of tasks) {
    await new Consumer({ connection, queueName: queue, workers: 2, taskFunction }).start();
  }
  await made.fill(queue, ["0", "1", "2", "3", "4", "5", "6"]);
  for (const task of tasks) await task.waitFor(2);
  await made.waitForCount(queue, 1);
  assertEquals(tasks.map((task) => task.running), [2, 2, 2]);
  const received = tasks.flatMap((task) => task.messages.map((message) => message.text()));
  assertEquals(received.toSorted(), ["0", "1", "2", "3", "4", "5"]);
  for (const task of tasks) task.endAll();
});

Deno.test("Publish/subscribe: every consumer of a fanout exchange receives every message", async () => {
  await using made = await topology();
  const exchange = await made.exchange("fanout");
  await using connection = connectionForTest();
  const publisher = await publisherOn(connection);
  const tasks = await subscribe(connection, exchange, [undefined, undefined, ["ignored"]]);
  const bodies = ["one", "two", "three"];
  for (const body of bodies) await publisher.sendMessage({ exchange, body });
  for (const task of tasks) {
    await task.waitFor(bodies.length);
    assertEquals(task.bodies, bodies);
  }
});

Deno.test("Routing: each of three consumers of a direct exchange receives its severities", async () => {
  await using made = await topology();
  const exchange = await made.exchange("direct");
  await using connection = connectionForTest();
  const publisher = await publisherOn(connection);
  const severities = ["info", "warning", "error"];
  const tasks = await subscribe(connection, exchange, [
    ["info"],
    ["info", "warning"],
    ["info", "warning", "error"],
  ]);
  for (const routingKey of [...severities.toReversed(), ...severities]) {
    await publisher.sendMessage({ exchange, routingKey, body: routingKey });
  }
  // The last of each is its last: what was not for it would have come before.
  await Promise.all(tasks.map((task, index) => task.waitFor(2 * (index + 1))));
  assertEquals(tasks.map((task) => task.bodies), [
    ["info", "info"],
    ["warning", "info", "info", "warning"],
    ["error", "warning", "info", "info", "warning", "error"],
  ]);
});

Deno.test("Topics: * stands for one word and # for any number", async () => {
  await using made = await topology();
  const exchange = await made.exchange("topic");
  await using connection = connectionForTest();
  const publisher = await publisherOn(connection);
  const keys = ["*.orange.*", "*.*.rabbit", "lazy.#", "#"];
  const tasks = await subscribe(connection, exchange, [...keys.map((key) => [key]), keys]);
  const sent = [
    "quick.orange.rabbit",
    "lazy.orange.elephant",
    "quick.brown.fox",
    "lazy",
    "lazy.pink.rabbit",
    "orange",
    "quick.orange.new.rabbit",
    "lazy.orange.new.rabbit",
    "END",
  ];
  for (const routingKey of sent) {
    await publisher.sendMessage({ exchange, routingKey, body: routingKey });
  }
  const expected = [
    ["quick.orange.rabbit", "lazy.orange.elephant"],
    ["quick.orange.rabbit", "lazy.pink.rabbit"],
    ["lazy.orange.elephant", "lazy", "lazy.pink.rabbit", "lazy.orange.new.rabbit"],
    sent,
    // A queue that matches several times receives one copy.
    sent,
  ];
  await eventually(
    "all have received theirs",
    () => tasks.every((task, index) => task.bodies.length >= expected[index].length),
  );
  await connection.close();
  assertEquals(tasks.map((task) => task.bodies), expected);
});

Deno.test("Consumers and publishers of one connection settle what they have before it closes", async () => {
  await using made = await topology();
  const source = await made.queue();
  const destination = await made.queue();
  const bodies = Array.from({ length: 20 }, (_, index) => `${index}`);
  await made.fill(source, bodies);
  const connection = connectionForTest();
  const publisher = await publisherOn(connection);
  let begun = 0;
  const consumer = new Consumer({
    connection,
    queueName: source,
    workers: 4,
    taskFunction: async (message) => {
      begun++;
      await publisher.sendMessageToQueue({ queueName: destination, body: message.body });
      return MessageStatus.SUCCESS;
    },
  });
  await consumer.start();
  await eventually("some are worked on", () => begun >= 4);
  // The consumers end first, as their tasks may still publish.
  await connection.close();
  const left = (await made.takeAll(source)).map(({ content }) => content.toString());
  const moved = (await made.takeAll(destination)).map(({ content }) => content.toString());
  assertEquals([...left, ...moved].toSorted(), bodies.toSorted());
});

Deno.test("Without keys a consumer receives all of fanout and headers exchanges, and of others what has no key", async () => {
  await using made = await topology();
  await using connection = connectionForTest();
  for (const type of ["fanout", "headers", "direct", "topic"] as const) {
    const exchange = await made.exchange(type);
    const taskFunction = notingTask();
    await using consumer = new Consumer({ connection, queueName: "", exchange, taskFunction });
    await consumer.start();
    for (const [key, body] of [["a", "with a key"], ["a.b", "with another"], ["", "without"]]) {
      made.channel.publish(exchange, key, Buffer.from(body), { headers: { h: 1 } });
    }
    const all = type === "fanout" || type === "headers";
    await taskFunction.waitFor(all ? 3 : 1);
    assertEquals(
      taskFunction.bodies,
      all ? ["with a key", "with another", "without"] : ["without"],
      type,
    );
  }
});
