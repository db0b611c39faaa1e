/** Sends while the connection is frozen or lost. */

import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { assertStringIncludes } from "@std/assert";
import { ConfirmTimeoutError, ConnectionLostError, Publisher } from "../../mod.ts";
import { broker, connectionForTest, evaluate, notOurs, openAtBroker } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { startProxy } from "../support/proxy.ts";
import { topology } from "../support/topology.ts";
import { startWiretap } from "../support/wiretap.ts";

const FAST = { reconnect: { initialDelayMs: 10, maxDelayMs: 50 } };

Deno.test("Publisher rejects what is not confirmed within sendTimeoutMs, and says whether it was written", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using proxy = startProxy();
  await using connection = connectionForTest({ hostname: proxy.hostname, port: proxy.port });
  const publisher = new Publisher({ connection, maxInFlight: 2, sendTimeoutMs: 2_000 });
  await publisher.start();
  proxy.freeze();
  const sends = Array.from(
    { length: 4 },
    (_, index) =>
      publisher.sendMessageToQueue({ queueName: queue, body: "", messageId: `${index}` }),
  );
  for (const [index, outcome] of (await Promise.allSettled(sends)).entries()) {
    const error = (outcome as PromiseRejectedResult).reason;
    assertInstanceOf(error, ConfirmTimeoutError);
    assertEquals([error.code, error.messageId], ["CONFIRM_TIMEOUT", `${index}`]);
    assertEquals(error.written, index < 2);
    assertStringIncludes(error.message, "2000 ms");
  }
  proxy.thaw();
  // What was written arrives late; what was not is never sent.
  await publisher.sendMessageToQueue({ queueName: queue, body: "", messageId: "next" });
  const ids = (await made.takeAll(queue)).map((message) => message.properties.messageId);
  assertEquals(ids, ["0", "1", "next"]);
});

Deno.test("Publisher of kind sync keeps one message in flight beyond a timeout, and tells each outcome once", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using wiretap = startWiretap();
  await using connection = connectionForTest(wiretap.address);
  const publisher = new Publisher({ connection, kind: "sync", sendTimeoutMs: 2_000 });
  await publisher.start();
  wiretap.withhold();
  const calls: string[] = [];
  const send = (messageId: string) =>
    publisher.sendMessageToQueue({
      queueName: queue,
      body: "",
      messageId,
      callbacks: {
        ackCallback: () => calls.push(`${messageId} acked`),
        nackCallback: () => calls.push(`${messageId} failed`),
      },
    });
  await Promise.allSettled([send("a"), send("b")]);
  wiretap.release();
  await send("c");
  assertEquals(calls, ["a failed", "b failed", "c acked"]);
  assertEquals(wiretap.mostInFlight, 1);
  assertEquals(await publisher.flush(), { confirmed: 1, failed: 2 });
});

Deno.test("Publisher says how long it has been disconnected when a send times out", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using proxy = startProxy();
  await using connection = connectionForTest({
    hostname: proxy.hostname,
    port: proxy.port,
    ...FAST,
  });
  const publisher = new Publisher({ connection, sendTimeoutMs: 300 });
  await publisher.start();
  proxy.refuse();
  proxy.cut();
  const error = await assertRejects(
    () => publisher.sendMessageToQueue({ queueName: queue, body: "" }),
    ConfirmTimeoutError,
  );
  assertStringIncludes(error.message, "disconnected since");
});

for (const kind of ["async", "sync"] as const) {
  Deno.test(`Publisher of kind ${kind} sends again what was unconfirmed when the connection was lost (2)`, async () => {
    const total = 50;
    await using made = await topology();
    const queue = await made.queue();
    await using wiretap = startWiretap();
    await using connection = connectionForTest({ ...wiretap.address, ...FAST });
    const publisher = new Publisher({ connection, kind, maxInFlight: kind === "sync" ? 1 : 30 });
    await publisher.start();
    const first = publisher.sendMessageToQueue({ queueName: queue, body: "", messageId: "first" });
    await first;
    wiretap.withhold();
    const sends = Array.from(
      { length: total },
      (_, index) =>
        publisher.sendMessageToQueue({ queueName: queue, body: "", messageId: `${index}` }),
    );
    const inFlight = kind === "sync" ? 1 : 30;
    await made.waitForCount(queue, 1 + inFlight);
    wiretap.cut();
    wiretap.release();
    await Promise.all(sends);
    const all = Array.from({ length: total }, (_, index) => `${index}`);
    const ids = (await made.takeAll(queue)).map((message) => message.properties.messageId);
    assertEquals(ids, ["first", ...all.slice(0, inFlight), ...all]);
  });
}

Deno.test("Publisher loses nothing while its connection is cut again and again (2)", async () => {
  const total = 3_000;
  await using made = await topology();
  const queue = await made.queue();
  await using proxy = startProxy();
  await using connection = connectionForTest({
    hostname: proxy.hostname,
    port: proxy.port,
    ...FAST,
  });
  const publisher = new Publisher({ connection, maxInFlight: 100 });
  await publisher.start();
  let confirmed = 0;
  let losses = 0;
  connection.addEventListener("disconnected", () => losses++);
  const ackCallback = () => {
    if (++confirmed % 500 === 0) proxy.cut();
  };
  const sends = Array.from({ length: total }, (_, index) =>
    publisher.sendMessageToQueue({
      queueName: queue,
      body: `${index}`,
      callbacks: { ackCallback },
    }));
  await Promise.all(sends);
  assert(losses >= 5, `The connection was lost ${losses} times`);
  const messages = await made.takeAll(queue);
  const bodies = messages.map((message) => Number(message.content.toString()));
  const once = [...new Set(bodies)];
  assertEquals(once, Array.from({ length: total }, (_, index) => index)); // In order, too.
  const ids = new Map(messages.map((one) => [one.properties.messageId, one.content.toString()]));
  assertEquals(ids.size, total);
});

Deno.test("Publisher with onConnectionLoss reject gives up what was in flight, and sends what waited", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using wiretap = startWiretap();
  await using connection = connectionForTest({ ...wiretap.address, ...FAST });
  const publisher = new Publisher({ connection, maxInFlight: 2, onConnectionLoss: "reject" });
  await publisher.start();
  wiretap.withhold();
  const sends = Array.from(
    { length: 4 },
    (_, index) =>
      publisher.sendMessageToQueue({ queueName: queue, body: "", messageId: `${index}` }),
  );
  await made.waitForCount(queue, 2);
  wiretap.cut();
  wiretap.release();
  const outcomes = await Promise.allSettled(sends);
  assertEquals(
    outcomes.map((outcome) => outcome.status),
    ["rejected", "rejected", "fulfilled", "fulfilled"],
  );
  const error = await assertRejects(() => sends[0], ConnectionLostError);
  assertEquals([error.code, error.messageId], ["CONNECTION_LOST", "0"]);
  assertInstanceOf(error.cause, Error);
  const ids = (await made.takeAll(queue)).map((message) => message.properties.messageId);
  assertEquals(ids, ["0", "1", "2", "3"]);
});

Deno.test("Publisher waits with what is sent while there is no connection", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using proxy = startProxy();
  await using connection = connectionForTest({
    hostname: proxy.hostname,
    port: proxy.port,
    ...FAST,
  });
  const publisher = new Publisher({ connection });
  await publisher.start();
  const lost = Promise.withResolvers<void>();
  connection.addEventListener("reconnecting", ({ detail }) => {
    if (detail.attempt >= 3) lost.resolve();
  });
  proxy.refuse();
  proxy.cut();
  await lost.promise;
  assertEquals(publisher.health().status, "recovering");
  const sends = ["1", "2"].map((body) => publisher.sendMessageToQueue({ queueName: queue, body }));
  proxy.listen();
  await Promise.all(sends);
  const bodies = (await made.takeAll(queue)).map((message) => message.content.toString());
  assertEquals(bodies, ["1", "2"]);
  assertEquals(publisher.health().status, "up");
});

Deno.test("Publisher notices a frozen connection by its heartbeats, and sends on a fresh one (3)", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using proxy = startProxy();
  await using connection = connectionForTest({
    hostname: proxy.hostname,
    port: proxy.port,
    heartbeatSeconds: 1,
    ...FAST,
  });
  const publisher = new Publisher({ connection });
  await publisher.start();
  const lost = Promise.withResolvers<void>();
  connection.addEventListener("disconnected", () => lost.resolve());
  proxy.freeze();
  const sending = publisher.sendMessageToQueue({ queueName: queue, body: "" });
  await lost.promise;
  proxy.cut();
  proxy.thaw();
  await sending;
});

Deno.test({
  name: "Publisher survives that the broker closes its connection (13)",
  ignore: notOurs,
  fn: async () => {
    await using made = await topology();
    const queue = await made.queue();
    const connectionName = `closed-by-broker.${broker.port}`;
    await using connection = connectionForTest({ connectionName, ...FAST });
    const publisher = new Publisher({ connection });
    await publisher.start();
    let cause: Error | undefined;
    connection.addEventListener("disconnected", ({ detail }) => cause = detail.cause);
    const [before] = (await openAtBroker(connectionName)).connections;
    await evaluate(
      `rabbit_networking:close_connection(list_to_pid("${before}"), "the operator says so").`,
    );
    await eventually("the loss is noticed", () => cause !== undefined);
    assertStringIncludes(cause!.message, "the operator says so");
    await publisher.sendMessageToQueue({ queueName: queue, body: "" });
    const [after] = (await openAtBroker(connectionName)).connections;
    assert(after !== before);
  },
});
