import { assertEquals, assertInstanceOf } from "@std/assert";
import {
  type Connection,
  Consumer,
  MessageStatus,
  Publisher,
  type PublisherOptions,
  type TaskFunction,
  UnroutableError,
} from "../../mod.ts";
import { connectionForTest, notOurs } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { queueAtBroker } from "../support/queue_at_broker.ts";
import { topology } from "../support/topology.ts";
import { startWiretap } from "../support/wiretap.ts";

async function publisherOn(
  connection: Connection,
  options: PublisherOptions = {},
): Promise<Publisher> {
  const publisher = new Publisher({ connection, ...options });
  await publisher.start();
  return publisher;
}

/** A task that passes its message on, and leaves the rest to the outcome of that. */
function passOn(
  publisher: Publisher,
  destination: string,
  onFailure: "reject" | "rejectRetry",
): TaskFunction {
  return (message) => {
    publisher.sendMessageToQueue({
      queueName: destination,
      body: message.body,
      callbacks: { ackCallback: message.ack, nackCallback: message[onFailure] },
    });
    return MessageStatus.HANDLED_VIA_CALLBACK;
  };
}

const BODIES = Array.from({ length: 200 }, (_, index) => `message ${index}`);

Deno.test("Consumer with a sync publisher in its task passes every message on, in order", async () => {
  await using made = await topology();
  const source = await made.queue();
  const destination = await made.queue();
  await made.fill(source, BODIES);
  await using connection = connectionForTest();
  const publisher = await publisherOn(connection, { kind: "sync" });
  const consumer = new Consumer({
    connection,
    queueName: source,
    taskFunction: async (message) => {
      await publisher.sendMessageToQueue({ queueName: destination, body: message.body });
      return MessageStatus.SUCCESS;
    },
  });
  await consumer.start();
  await made.waitForCount(destination, BODIES.length);
  assertEquals((await consumer.stop()).abandoned, 0);
  assertEquals(await made.count(source), 0);
  const arrived = (await made.takeAll(destination)).map(({ content }) => content.toString());
  assertEquals(arrived, BODIES);
});

Deno.test("Consumer with a sync publisher retries a message that could not be passed on", async () => {
  await using made = await topology();
  const source = await made.queue();
  const destination = await made.queue();
  await made.fill(source, ["message"]);
  await using connection = connectionForTest();
  const publisher = await publisherOn(connection, { kind: "sync" });
  const failures: Error[] = [];
  const consumer = new Consumer({
    connection,
    queueName: source,
    retryDelayMs: 20,
    taskFunction: async (message) => {
      const queueName = message.redelivered ? destination : made.unused();
      await publisher.sendMessageToQueue({ queueName, body: message.body });
      return MessageStatus.SUCCESS;
    },
  });
  consumer.addEventListener("taskfailed", ({ detail }) => failures.push(detail.error));
  await consumer.start();
  assertEquals((await made.take(destination)).content.toString(), "message");
  assertEquals(failures.length, 1);
  assertInstanceOf(failures[0], UnroutableError);
  await consumer.stop();
  assertEquals(await made.count(source), 0);
});

Deno.test("Consumer with an async publisher whose callbacks settle the source passes every message on", async () => {
  await using made = await topology();
  const source = await made.queue();
  const destination = await made.queue();
  await made.fill(source, BODIES);
  await using connection = connectionForTest();
  const publisher = await publisherOn(connection);
  const consumer = new Consumer({
    connection,
    queueName: source,
    prefetch: 50,
    taskFunction: passOn(publisher, destination, "rejectRetry"),
  });
  await consumer.start();
  await made.waitForCount(destination, BODIES.length);
  assertEquals((await consumer.stop()).abandoned, 0);
  assertEquals(await made.count(source), 0);
  const arrived = (await made.takeAll(destination)).map(({ content }) => content.toString());
  assertEquals(arrived, BODIES);
});

for (const kind of ["async", "sync"] as const) {
  Deno.test({
    name:
      `Consumer that publishes (${kind}) acknowledges no source before the destination's confirm`,
    ignore: notOurs,
    fn: async () => {
      await using made = await topology();
      const source = await made.queue();
      const destination = await made.queue();
      const bodies = BODIES.slice(0, 50);
      await made.fill(source, bodies);
      await using tap = startWiretap();
      // Only what is published goes through the tap, so that it is only confirms that are withheld.
      await using publishing = connectionForTest(tap.address);
      await using connection = connectionForTest();
      const publisher = await publisherOn(publishing, { kind });
      const passOnAsync = passOn(publisher, destination, "rejectRetry");
      const consumer = new Consumer({
        connection,
        queueName: source,
        prefetch: bodies.length,
        taskFunction: kind === "async" ? passOnAsync : async (message) => {
          await publisher.sendMessageToQueue({ queueName: destination, body: message.body });
          return MessageStatus.SUCCESS;
        },
      });
      tap.withhold();
      await consumer.start();
      await made.waitForCount(destination, kind === "async" ? bodies.length : 1);
      assertEquals((await queueAtBroker(source))?.unacknowledged, bodies.length);
      tap.release();
      await made.waitForCount(destination, bodies.length);
      await eventually(
        "all are acknowledged",
        async () => (await queueAtBroker(source))?.unacknowledged === 0,
      );
      assertEquals(await made.count(source), 0);
    },
  });
}

Deno.test("nackCallback: message.reject dead-letters the source of an unroutable message, and of no other", async () => {
  await using made = await topology();
  const dead = await made.queue();
  const source = await made.queue({
    arguments: { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead },
  });
  const destination = await made.queue();
  const nowhere = made.unused();
  await made.fill(source, BODIES);
  await using connection = connectionForTest();
  const publisher = await publisherOn(connection);
  const isBad = (body: string) => body.endsWith("7");
  const consumer = new Consumer({
    connection,
    queueName: source,
    workers: 3,
    prefetch: 50,
    taskFunction: (message) =>
      passOn(publisher, isBad(message.text()) ? nowhere : destination, "reject")(message),
  });
  await consumer.start();
  await made.waitForCount(dead, 20);
  await made.waitForCount(destination, 180);
  await consumer.stop();
  assertEquals(await made.count(source), 0);
  const bodies = (await made.takeAll(dead)).map(({ content }) => content.toString());
  assertEquals(bodies.toSorted(), BODIES.filter(isBad).toSorted());
});

Deno.test("nackCallback: message.rejectRetry retries the source of an unroutable message, until it can be routed", async () => {
  await using made = await topology();
  const source = await made.queue();
  await made.fill(source, ["message"]);
  await using connection = connectionForTest();
  const publisher = await publisherOn(connection);
  const destination = made.unused();
  let attempts = 0;
  const consumer = new Consumer({
    connection,
    queueName: source,
    prefetch: 10,
    retryDelayMs: 20,
    taskFunction: (message) => {
      attempts++;
      return passOn(publisher, destination, "rejectRetry")(message);
    },
  });
  await consumer.start();
  await eventually("it is retried", () => attempts >= 3);
  await made.channel.assertQueue(destination, { durable: true, expires: 60_000 });
  assertEquals((await made.take(destination)).content.toString(), "message");
  await consumer.stop();
  assertEquals(await made.count(source), 0);
  await made.channel.deleteQueue(destination);
});

Deno.test("nackCallback: message.rejectRetry keeps the source where the destination refuses the message", async () => {
  await using made = await topology();
  const source = await made.queue();
  const full = await made.queue({
    arguments: { "x-max-length": 1, "x-overflow": "reject-publish" },
  });
  await made.fill(full, ["in the way"]);
  await made.fill(source, ["message"]);
  await using connection = connectionForTest();
  const publisher = await publisherOn(connection);
  let attempts = 0;
  const consumer = new Consumer({
    connection,
    queueName: source,
    prefetch: 10,
    retryDelayMs: 20,
    taskFunction: (message) => {
      attempts++;
      return passOn(publisher, full, "rejectRetry")(message);
    },
  });
  await consumer.start();
  await eventually("it is retried", () => attempts >= 3);
  assertEquals((await made.take(full)).content.toString(), "in the way");
  assertEquals((await made.take(full)).content.toString(), "message");
  await consumer.stop();
  assertEquals(await made.count(source), 0);
});
