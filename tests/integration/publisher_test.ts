import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { Publisher, UnroutableError } from "../../mod.ts";
import { broker, connectionForTest, notOurs, openAtBroker } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { topology } from "../support/topology.ts";

Deno.test("Publisher sends a persistent message with an id to a queue", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  await publisher.start();
  await publisher.sendMessageToQueue({ queueName: queue, body: "hello" });
  const message = await made.take(queue);
  assertEquals(message.content.toString(), "hello");
  assertEquals(message.properties.deliveryMode, 2);
  assertEquals(typeof message.properties.messageId, "string");
});

Deno.test("Publisher rejects an unroutable message alone", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  await publisher.start();
  const good = publisher.sendMessageToQueue({ queueName: queue, body: "good" });
  const bad = publisher.sendMessageToQueue({ queueName: made.unused(), body: "bad" });
  assertInstanceOf(await assertRejects(() => bad), UnroutableError);
  await good;
});

Deno.test({
  name: "Publisher closes its channel, and a connection both of its halves",
  ignore: notOurs,
  fn: async () => {
    const connectionName = `closes.${broker.port}`;
    const connection = connectionForTest({ connectionName });
    const publisher = new Publisher({ connection });
    await publisher.start();
    const open = await openAtBroker(connectionName);
    assertEquals(open.connections.length, 1);
    assertEquals(open.channels, 1);
    await publisher.stop();
    await eventually(
      "the channel is closed",
      async () => (await openAtBroker(connectionName)).channels === 0,
    );
    await connection.close();
    await eventually(
      "the connection is closed",
      async () => (await openAtBroker(connectionName)).connections.length === 0,
    );
  },
});
