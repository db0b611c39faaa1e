/** What goes past amqplib is put together: counted in writes to sockets, and in frames. */

import { assert, assertEquals } from "@std/assert";
import net from "node:net";
import { Consumer, type Message, MessageStatus, Publisher } from "../../mod.ts";
import { connectionForTest, notOurs } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { startProxy } from "../support/proxy.ts";
import { queueAtBroker } from "../support/queue_at_broker.ts";
import { type HeldTask, heldTask, type NotingTask, notingTask } from "../support/tasks.ts";
import { topology } from "../support/topology.ts";
import { startWiretap } from "../support/wiretap.ts";
import { restOfTurn } from "../support/next_turn.ts";

/** Counts what is written to sockets to one port, until it is disposed of. */
function countWrites(port: number) {
  const { write } = net.Socket.prototype;
  const writes: number[] = [];
  net.Socket.prototype.write = function (this: net.Socket, ...args: unknown[]) {
    if (this.remotePort === port) writes.push((args[0] as Uint8Array).length);
    return Reflect.apply(write, this, args);
  } as typeof write;
  return {
    /** How many bytes each write had. */
    writes,
    [Symbol.dispose]() {
      net.Socket.prototype.write = write;
    },
  };
}

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `${index}`);

/** A queue with so many messages, and a consumer of all of them, through a wiretap. */
async function consuming<Task extends HeldTask | NotingTask>(count: number, task: Task) {
  const made = await topology();
  const queue = await made.queue();
  await made.fill(queue, numbered(count));
  const wiretap = startWiretap();
  const connection = connectionForTest(wiretap.address);
  const consumer = new Consumer({
    connection,
    queueName: queue,
    prefetch: count,
    workers: count,
    taskFunction: task,
  });
  const lost: Error[] = [];
  consumer.addEventListener("channellost", ({ detail }) => lost.push(detail.cause));
  await consumer.start();
  return {
    made,
    queue,
    wiretap,
    consumer,
    lost,
    messages: await task.waitFor(count),
    async [Symbol.asyncDispose]() {
      await connection.close();
      await wiretap[Symbol.asyncDispose]();
      await made[Symbol.asyncDispose]();
    },
  };
}

Deno.test("Publisher writes the messages of one turn to its socket together", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using wiretap = startWiretap();
  await using connection = connectionForTest(wiretap.address);
  const publisher = new Publisher({ connection });
  await publisher.start();
  using counted = countWrites(wiretap.address.port);
  await Promise.all(
    numbered(1_000).map((body) => publisher.sendMessageToQueue({ queueName: queue, body })),
  );
  const { writes } = counted;
  assertEquals(wiretap.count("basic.publish"), 1_000);
  assert(writes.length >= 1 && writes.length < 20, `${writes.length} writes`);
  assertEquals(
    (await made.takeAll(queue)).map(({ content }) => content.toString()),
    numbered(1_000),
  );
});

Deno.test("Publisher writes a lone message with one write, in the turn of the send", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using wiretap = startWiretap();
  await using connection = connectionForTest(wiretap.address);
  const publisher = new Publisher({ connection });
  await publisher.start();
  using counted = countWrites(wiretap.address.port);
  for (let count = 1; count <= 3; count++) {
    const sent = publisher.sendMessageToQueue({ queueName: queue, body: "x" });
    await restOfTurn();
    assertEquals(counted.writes.length, count);
    await sent;
  }
});

Deno.test("Publisher keeps the order of large and small messages, whatever is written together", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  await publisher.start();
  const sizes = [0, 1, 100, 4_095, 4_096, 65_536, 131_064, 131_065, 300_000, 1];
  const bodies = [...sizes, ...sizes].map((size, index) => new Uint8Array(size).fill(index));
  await Promise.all(
    bodies.map((body) => publisher.sendMessageToQueue({ queueName: queue, body })),
  );
  const arrived = await made.takeAll(queue);
  assertEquals(arrived.length, bodies.length);
  for (const [index, { content }] of arrived.entries()) {
    assert(content.equals(bodies[index]), `message ${index}: ${content.length} bytes`);
  }
});

Deno.test("Consumer acknowledges what ends in one turn with a handful of frames", async () => {
  const task = heldTask();
  await using started = await consuming(250, task);
  const { made, queue, wiretap, consumer, lost } = started;
  using counted = countWrites(wiretap.address.port);
  task.endAll();
  await eventually("they are acknowledged", () => wiretap.count("basic.ack") > 0);
  // One frame, and a few more where a broker or a runtime is of another mind.
  assert(counted.writes.length <= 5, `${counted.writes.length} writes`);
  assertEquals(await consumer.stop(), { completed: 0, released: 0, abandoned: 0 });
  assert(wiretap.count("basic.ack") <= 5, `${wiretap.count("basic.ack")} frames`);
  assertEquals([await made.count(queue), lost], [0, []]);
});

Deno.test("Consumer acknowledges a lone message with one write, in the turn in which its task ends", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using wiretap = startWiretap();
  await using connection = connectionForTest(wiretap.address);
  const received: Message[] = [];
  const consumer = new Consumer({
    connection,
    queueName: queue,
    prefetch: 250,
    taskFunction: (message) => {
      received.push(message);
      return MessageStatus.HANDLED_VIA_CALLBACK;
    },
  });
  await consumer.start();
  using counted = countWrites(wiretap.address.port);
  for (let count = 1; count <= 3; count++) {
    await made.fill(queue, ["lone"]);
    await eventually("it has arrived", () => received.length === count);
    assertEquals(received[count - 1].ack(), true);
    assertEquals(counted.writes.length, count - 1);
    await restOfTurn();
    assertEquals(counted.writes.length, count);
    await eventually("the broker has it", () => wiretap.count("basic.ack") === count);
  }
  await consumer.stop();
});

Deno.test("Consumer with a task that returns acknowledges before anything else can happen", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using wiretap = startWiretap();
  await using connection = connectionForTest(wiretap.address);
  using counted = countWrites(wiretap.address.port);
  const writesInTurn = Promise.withResolvers<number>();
  const consumer = new Consumer({
    connection,
    queueName: queue,
    taskFunction: () => {
      const before = counted.writes.length;
      // After all that this turn has to do, and before the next timer or anything that arrives.
      setTimeout(() => writesInTurn.resolve(counted.writes.length - before), 0);
      return MessageStatus.SUCCESS;
    },
  });
  await consumer.start();
  await made.fill(queue, ["lone"]);
  assertEquals(await writesInTurn.promise, 1);
  await consumer.stop();
});

Deno.test({
  name: "Consumer acknowledges one by one behind a slow task, which alone stays unacknowledged",
  ignore: notOurs,
  async fn() {
    const task = notingTask(MessageStatus.HANDLED_VIA_CALLBACK);
    await using started = await consuming(20, task);
    const { queue, wiretap, consumer, lost, messages: [slow, ...others] } = started;
    for (const message of others) message.ack();
    await eventually("the broker has noted them", async () => {
      const atBroker = await queueAtBroker(queue);
      return atBroker?.ready === 0 && atBroker.unacknowledged === 1;
    });
    assertEquals(wiretap.count("basic.ack"), 19);
    slow.ack();
    await eventually(
      "the last is acknowledged",
      async () => (await queueAtBroker(queue))?.unacknowledged === 0,
    );
    await consumer.stop();
    assertEquals([wiretap.count("basic.ack"), lost], [20, []]);
  },
});

Deno.test("Consumer loses nothing where its connection is cut between the work and the end of the turn", async () => {
  await using made = await topology();
  await using proxy = startProxy();
  const queue = await made.queue();
  await made.fill(queue, numbered(10));
  const { hostname, port } = proxy;
  await using connection = connectionForTest({
    hostname,
    port,
    reconnect: { initialDelayMs: 1, maxDelayMs: 20 },
  });
  connection.addEventListener("disconnected", () => {});
  const messages: Message[] = [];
  const consumer = new Consumer({
    connection,
    queueName: queue,
    prefetch: 10,
    workers: 10,
    taskFunction: (message) => {
      messages.push(message);
      return MessageStatus.HANDLED_VIA_CALLBACK;
    },
  });
  await consumer.start();
  await eventually("all have arrived", () => messages.length === 10);
  const before = messages.splice(0);
  // Acknowledged, and cut off before a byte of it can have left.
  for (const message of before) assertEquals(message.ack(), true);
  proxy.cut();
  await eventually("they come again", () => messages.length === 10);
  assertEquals(messages.map((message) => message.text()).toSorted(), numbered(10).toSorted());
  assert(messages.every(({ redelivered }) => redelivered));
  for (const message of messages) message.ack();
  await consumer.stop();
  assertEquals(await made.count(queue), 0);
});
