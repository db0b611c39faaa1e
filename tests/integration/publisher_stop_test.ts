/** The end of a publisher, and its beginning again. */

import { assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import {
  ConfigurationError,
  LapinmqError,
  Publisher,
  PublisherStoppedError,
  UnroutableError,
} from "../../mod.ts";
import { connectionForTest } from "../support/broker.ts";
import { startProxy } from "../support/proxy.ts";
import { topology } from "../support/topology.ts";
import { startWiretap } from "../support/wiretap.ts";

const NOTHING = { unsent: [], unknown: [] };

Deno.test("Publisher.stop right after many sends loses none of them (50)", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  await publisher.start();
  const sends = Array.from(
    { length: 5_000 },
    (_, index) => publisher.sendMessageToQueue({ queueName: queue, body: `${index}` }),
  );
  assertEquals(await publisher.stop(), NOTHING);
  await Promise.all(sends);
  await made.waitForCount(queue, 5_000);
});

Deno.test("Connection.close right after many sends loses none of them (50)", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection, kind: "sync" });
  await publisher.start();
  const sends = Array.from(
    { length: 500 },
    () => publisher.sendMessageToQueue({ queueName: queue, body: "" }),
  );
  await connection.close();
  await Promise.all(sends);
  await made.waitForCount(queue, 500);
});

Deno.test("Publisher.stop gives back what was not confirmed by its deadline, and what was not sent", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using wiretap = startWiretap();
  await using connection = connectionForTest(wiretap.address);
  const publisher = new Publisher({ connection, maxInFlight: 2 });
  await publisher.start();
  await publisher.sendMessageToQueue({ queueName: queue, body: "confirmed" });
  wiretap.withhold();
  const headers = { number: 1 };
  const sends = Array.from({ length: 5 }, (_, index) =>
    publisher.sendMessageToQueue({
      queueName: queue,
      body: `${index}`,
      messageId: `id-${index}`,
      correlationId: `correlation-${index}`,
      headers,
    }));
  await made.waitForCount(queue, 3);
  // Nobody awaits the sends: those that are given up count as handled.
  const { unsent, unknown } = await publisher.stop({ timeoutMs: 0 });
  assertEquals(unknown.map((message) => message.messageId), ["id-0", "id-1"]);
  assertEquals(unsent.map((message) => message.messageId), ["id-2", "id-3", "id-4"]);
  const { properties, ...message } = unsent[0];
  assertEquals(message, {
    exchange: "",
    routingKey: queue,
    messageId: "id-2",
    body: new TextEncoder().encode("2"),
    headers,
  });
  assertEquals(properties.correlationId, "correlation-2");
  for (const [index, sending] of sends.entries()) {
    const error = await assertRejects(() => sending, PublisherStoppedError);
    assertEquals([error.code, error.messageId], ["PUBLISHER_STOPPED", `id-${index}`]);
    assertStringIncludes(error.message, index < 2 ? "may or may not have arrived" : "not sent");
  }
  wiretap.release();
});

Deno.test("Publisher.stop tells the callbacks of what it gives up, once", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using wiretap = startWiretap();
  await using connection = connectionForTest(wiretap.address);
  const publisher = new Publisher({ connection });
  await publisher.start();
  wiretap.withhold();
  const calls: unknown[] = [];
  void publisher.sendMessageToQueue({
    queueName: queue,
    body: "",
    callbacks: {
      ackCallback: () => calls.push("ack"),
      nackCallback: (error) => calls.push(error),
    },
  });
  await made.waitForCount(queue, 1);
  await publisher.stop({ timeoutMs: 0 });
  wiretap.release(); // The confirm comes too late.
  await publisher.start();
  await publisher.sendMessageToQueue({ queueName: queue, body: "" });
  assertEquals(calls.length, 1);
  assertInstanceOf(calls[0], PublisherStoppedError);
});

Deno.test("Publisher rejects a failure while it stops to whoever sent the message", async () => {
  await using made = await topology();
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  await publisher.start();
  const sending = publisher.sendMessageToQueue({ queueName: made.unused(), body: "" });
  const [, stopped] = await Promise.all([
    assertRejects(() => sending, UnroutableError),
    publisher.stop(),
  ]);
  assertEquals(stopped, NOTHING);
});

Deno.test("Publisher.stop may be called at any time and many times (52)", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  assertEquals(await publisher.stop(), NOTHING);
  await publisher.start();
  const sending = publisher.sendMessageToQueue({ queueName: queue, body: "" });
  const stops = [publisher.stop(), publisher.stop({ timeoutMs: 0 }), publisher.stop()];
  assertEquals(await Promise.all(stops), [NOTHING, NOTHING, NOTHING]);
  await sending;
  assertEquals(await publisher.stop(), NOTHING);
  await publisher[Symbol.asyncDispose]();
});

Deno.test("Publisher can be started again after a stop, and counts afresh", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  for (let round = 1; round <= 3; round++) {
    await publisher.start();
    await publisher.sendMessageToQueue({ queueName: queue, body: "" });
    assertEquals(await publisher.flush(), { confirmed: 1, failed: 0 });
    await publisher.stop();
    assertEquals(await made.count(queue), round);
  }
});

Deno.test("Publisher.start waits for a stop that is under way", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  await publisher.start();
  const first = publisher.sendMessageToQueue({ queueName: queue, body: "" });
  const stopping = publisher.stop();
  await publisher.start();
  await publisher.sendMessageToQueue({ queueName: queue, body: "" });
  await Promise.all([first, stopping]);
  assertEquals(await made.count(queue), 2);
});

Deno.test("Publisher.stop while start() is under way ends both, and gives back what waited", async () => {
  await using proxy = startProxy();
  await using connection = connectionForTest({ hostname: proxy.hostname, port: proxy.port });
  const publisher = new Publisher({ connection });
  proxy.freeze();
  const starting = assertRejects(() => publisher.start(), LapinmqError);
  void publisher.sendMessageToQueue({ queueName: "nobody", body: "", messageId: "waited" });
  const { unsent, unknown } = await publisher.stop({ timeoutMs: 0 });
  assertEquals([unsent.map((one) => one.messageId), unknown], [["waited"], []]);
  await starting;
  proxy.thaw();
  await publisher.start(); // It is as good as new.
});

Deno.test("Publisher refuses a send before start(), after stop(), and between the two", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  const refused = async (hint: string) => {
    const error = await assertRejects(
      () => publisher.sendMessageToQueue({ queueName: queue, body: "", messageId: "m" }),
      PublisherStoppedError,
    );
    assertEquals([error.code, error.messageId], ["PUBLISHER_STOPPED", "m"]);
    assertStringIncludes(error.message, hint);
  };
  await refused("not started");
  await publisher.start();
  const stopping = publisher.stop();
  await refused("being stopped");
  await stopping;
  await refused("was stopped");
  assertEquals(await made.count(queue), 0);
});

Deno.test("Publisher sends what was given to it while start() is under way, in order", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  const starting = publisher.start();
  const send = (body: string) => publisher.sendMessageToQueue({ queueName: queue, body });
  await Promise.all([send("1"), send("2"), starting.then(() => send("3"))]);
  const bodies = (await made.takeAll(queue)).map((message) => message.content.toString());
  assertEquals(bodies, ["1", "2", "3"]);
});

Deno.test("Publisher.stop refuses a bad timeoutMs", async () => {
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  for (const timeoutMs of [-1, 0.5, NaN, Infinity, "1", null, 2 ** 31]) {
    await assertRejects(
      () => publisher.stop({ timeoutMs: timeoutMs as number }),
      ConfigurationError,
      "timeoutMs",
    );
  }
  await assertRejects(
    () => publisher.stop({ timeout: 1 } as never),
    ConfigurationError,
    "timeoutMs",
  );
});
