/** Messages that no queue receives, or that a queue refuses: each fails alone. */

import { assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import { NackedError, Publisher, UnroutableError } from "../../mod.ts";
import { connectionForTest } from "../support/broker.ts";
import { topology } from "../support/topology.ts";
import { startWiretap } from "../support/wiretap.ts";

/** What became of each send: `"ok"`, or the class of the error. */
async function outcomesOf(sends: readonly Promise<void>[]): Promise<string[]> {
  const settled = await Promise.allSettled(sends);
  return settled.map((one) => one.status === "fulfilled" ? "ok" : one.reason.constructor.name);
}

Deno.test("Publisher says of an unroutable message where it should have gone (43)", async () => {
  await using made = await topology();
  const exchange = await made.exchange("direct");
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  await publisher.start();
  const messageId = "the-id";
  const error = await assertRejects(
    () => publisher.sendMessage({ exchange, routingKey: "the.key", body: "", messageId }),
    UnroutableError,
  );
  assertEquals(error.code, "UNROUTABLE");
  assertEquals(
    [error.exchange, error.routingKey, error.messageId],
    [exchange, "the.key", "the-id"],
  );
  for (const part of [exchange, "the.key", "the-id", "NO_ROUTE"]) {
    assertStringIncludes(error.message, part);
  }
});

for (const kind of ["sync", "async"] as const) {
  Deno.test(`Publisher of kind ${kind} rejects unroutable messages among thousands, and no other`, async () => {
    const total = kind === "async" ? 5000 : 1000;
    const bad = new Set([0, 1, 2, 499, 500, 777, total - 1]);
    await using made = await topology();
    const queue = await made.queue();
    const missing = made.unused();
    await using connection = connectionForTest();
    const publisher = new Publisher({ connection, kind });
    await publisher.start();
    const sends = Array.from({ length: total }, (_, index) =>
      publisher.sendMessageToQueue({
        queueName: bad.has(index) ? missing : queue,
        body: `${index}`,
      }));
    const expected = Array.from(
      { length: total },
      (_, index) => bad.has(index) ? "UnroutableError" : "ok",
    );
    assertEquals(await outcomesOf(sends), expected);
    assertEquals(await publisher.flush(), { confirmed: total - bad.size, failed: bad.size });
    await made.waitForCount(queue, total - bad.size);
  });
}

Deno.test("Publisher tells unroutable messages with the same key from each other", async () => {
  await using made = await topology();
  const exchange = await made.exchange("headers");
  const queue = await made.queue();
  await made.channel.bindQueue(queue, exchange, "", { "x-match": "all", routed: true });
  await using wiretap = startWiretap();
  await using connection = connectionForTest(wiretap.address);
  const publisher = new Publisher({ connection });
  await publisher.start();
  const routed = [true, false, true, false, false, true, true, false];
  wiretap.withhold(); // So that all of them are in flight at once.
  const sends = routed.map((value) =>
    publisher.sendMessage({ exchange, routingKey: "same", body: "", headers: { routed: value } })
  );
  await made.waitForCount(queue, 4);
  wiretap.release();
  assertEquals(await outcomesOf(sends), routed.map((value) => value ? "ok" : "UnroutableError"));
  assertEquals(wiretap.mostInFlight, routed.length);
});

Deno.test("Publisher rejects as many as came back where a program repeats a messageId and key", async () => {
  await using made = await topology();
  const exchange = await made.exchange("headers");
  const queue = await made.queue();
  await made.channel.bindQueue(queue, exchange, "", { "x-match": "all", routed: true });
  await using wiretap = startWiretap();
  await using connection = connectionForTest(wiretap.address);
  const publisher = new Publisher({ connection });
  await publisher.start();
  wiretap.withhold();
  const sends = [false, false, true, true].map((routed) =>
    publisher.sendMessage({
      exchange,
      routingKey: "same",
      body: "",
      messageId: "same",
      headers: { routed },
    })
  );
  await made.waitForCount(queue, 2);
  wiretap.release();
  assertEquals(await outcomesOf(sends), ["UnroutableError", "UnroutableError", "ok", "ok"]);
});

Deno.test("Publisher tells the same messageId with other keys or exchanges apart", async () => {
  await using made = await topology();
  const queue = await made.queue();
  const exchange = await made.exchange("direct");
  await made.channel.bindQueue(queue, exchange, "bound");
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  await publisher.start();
  const messageId = "same";
  const missing = made.unused();
  const sends = [
    publisher.sendMessage({ exchange, routingKey: "bound", body: "", messageId }),
    publisher.sendMessage({ exchange, routingKey: "unbound", body: "", messageId }),
    publisher.sendMessage({ exchange: "", routingKey: "bound", body: "", messageId }),
    publisher.sendMessageToQueue({ queueName: queue, body: "", messageId }),
    publisher.sendMessageToQueue({ queueName: missing, body: "", messageId }),
  ];
  assertEquals(
    await outcomesOf(sends),
    ["ok", "UnroutableError", "UnroutableError", "ok", "UnroutableError"],
  );
});

Deno.test("Publisher rejects what a full queue refuses, and nothing else (44)", async () => {
  await using made = await topology();
  const full = await made.queue({
    arguments: { "x-max-length": 1, "x-overflow": "reject-publish" },
  });
  const queue = await made.queue();
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection, kind: "sync" });
  await publisher.start();
  const sends = [full, queue, full, queue, full].map((queueName) =>
    publisher.sendMessageToQueue({ queueName, body: "" })
  );
  const outcomes = await Promise.allSettled(sends);
  assertEquals(
    await outcomesOf(sends),
    ["ok", "ok", "NackedError", "ok", "NackedError"],
  );
  const { reason } = outcomes[2] as PromiseRejectedResult;
  assertInstanceOf(reason, NackedError);
  assertEquals(reason.code, "NACKED");
  assertEquals([reason.exchange, reason.routingKey], ["", full]);
  assertStringIncludes(reason.message, full);
  assertEquals([await made.count(full), await made.count(queue)], [1, 2]);
  await made.take(full);
  await publisher.sendMessageToQueue({ queueName: full, body: "room again" });
});
