/** Back-pressure, limits, and waiting for outcomes. */

import { assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import { LapinmqError, Publisher, PublisherOverflowError, UnroutableError } from "../../mod.ts";
import { connectionForTest } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { startProxy } from "../support/proxy.ts";
import { topology } from "../support/topology.ts";
import { startWiretap } from "../support/wiretap.ts";

Deno.test("Publisher.ready is pending while the window is full, and resolves when there is room", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using wiretap = startWiretap();
  await using connection = connectionForTest(wiretap.address);
  const publisher = new Publisher({ connection, maxInFlight: 3 });
  await publisher.start();
  wiretap.withhold();
  const sends: Promise<void>[] = [];
  for (let count = 0; count < 3; count++) {
    await publisher.ready;
    sends.push(publisher.sendMessageToQueue({ queueName: queue, body: "" }));
  }
  let isReady = false;
  const becomesReady = publisher.ready.then(() => isReady = true);
  await made.waitForCount(queue, 3);
  assertEquals(isReady, false);
  wiretap.release();
  await becomesReady;
  await Promise.all(sends);
});

Deno.test("Publisher.ready keeps one who awaits it within every limit", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using wiretap = startWiretap();
  await using connection = connectionForTest(wiretap.address);
  const publisher = new Publisher({
    connection,
    maxInFlight: 10,
    maxBufferedMessages: 10,
    maxBufferedBytes: 2_000,
  });
  await publisher.start();
  const sends: Promise<void>[] = [];
  for (let count = 0; count < 500; count++) {
    await publisher.ready;
    sends.push(publisher.sendMessageToQueue({ queueName: queue, body: new Uint8Array(900) }));
  }
  await Promise.all(sends);
  assertEquals(await made.count(queue), 500);
});

Deno.test("Publisher.ready is pending while too many bytes wait", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using wiretap = startWiretap();
  await using connection = connectionForTest(wiretap.address);
  const publisher = new Publisher({ connection, maxBufferedBytes: 1_000 });
  await publisher.start();
  wiretap.withhold();
  const first = publisher.sendMessageToQueue({ queueName: queue, body: new Uint8Array(800) });
  let isReady = false;
  const becomesReady = publisher.ready.then(() => isReady = true);
  await made.waitForCount(queue, 1);
  assertEquals(isReady, false);
  wiretap.release();
  await becomesReady;
  await first;
});

Deno.test("Publisher.ready rejects while the publisher is not running, and looking at it is harmless", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using wiretap = startWiretap();
  await using connection = connectionForTest(wiretap.address);
  const publisher = new Publisher({ connection, maxInFlight: 1 });
  void publisher.ready;
  assertStringIncludes(
    (await assertRejects(() => publisher.ready, LapinmqError)).message,
    "start()",
  );
  await publisher.start();
  await publisher.ready;
  wiretap.withhold();
  void publisher.sendMessageToQueue({ queueName: queue, body: "" });
  const waiting = publisher.ready;
  void publisher.ready;
  await publisher.stop({ timeoutMs: 0 });
  const error = await assertRejects(() => waiting, LapinmqError);
  assertEquals(error.code, "PUBLISHER_STOPPED");
  await assertRejects(() => publisher.ready, LapinmqError);
  wiretap.release();
});

Deno.test("Publisher.flush waits for what was sent before it, and counts", async () => {
  await using made = await topology();
  const queue = await made.queue();
  const missing = made.unused();
  await using wiretap = startWiretap();
  await using connection = connectionForTest(wiretap.address);
  const publisher = new Publisher({
    connection,
    onSendFailure: () => {},
    maxBufferedMessages: 5,
  });
  assertEquals(await publisher.flush(), { confirmed: 0, failed: 0 });
  await publisher.start();
  assertEquals(await publisher.flush(), { confirmed: 0, failed: 0 });
  wiretap.withhold();
  for (const queueName of [queue, queue, missing, queue, missing]) {
    void publisher.sendMessageToQueue({ queueName, body: "" });
  }
  let flushed = false;
  const flushing = publisher.flush().then((counts) => {
    flushed = true;
    return counts;
  });
  // Refused at once, so that their outcome is known before that of the earlier ones.
  for (let count = 0; count < 5; count++) {
    void publisher.sendMessageToQueue({ queueName: queue, body: "one too many" });
  }
  await made.waitForCount(queue, 3);
  assertEquals(flushed, false);
  wiretap.release();
  assertEquals(await flushing, { confirmed: 3, failed: 2 });
  // It goes on counting from the start of the publisher.
  void publisher.sendMessageToQueue({ queueName: missing, body: "" });
  await publisher.sendMessageToQueue({ queueName: queue, body: "" });
  const counts = await Promise.all([publisher.flush(), publisher.flush()]);
  assertEquals(counts, [{ confirmed: 4, failed: 8 }, { confirmed: 4, failed: 8 }]);
});

Deno.test("Publisher.flush does not wait for what is sent after it", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using wiretap = startWiretap();
  await using connection = connectionForTest(wiretap.address);
  const publisher = new Publisher({ connection, kind: "sync" });
  await publisher.start();
  let isFlushed = false;
  // Sent from the first one's confirm on, so that there is never a moment without an open send.
  const later: Promise<void>[] = [];
  const sendAgain = () => {
    if (isFlushed || later.length > 10_000) return;
    later.push(
      publisher.sendMessageToQueue({
        queueName: queue,
        body: "",
        callbacks: { ackCallback: sendAgain },
      }),
    );
  };
  sendAgain();
  assertEquals(await publisher.flush(), { confirmed: 1, failed: 0 });
  isFlushed = true;
  await eventually("no send is open", async () => {
    const before = later.length;
    await Promise.all(later);
    return later.length === before;
  });
});

Deno.test("Publisher refuses more than maxBufferedMessages, of either kind (45)", async () => {
  await using made = await topology();
  const queue = await made.queue();
  for (const kind of ["sync", "async"] as const) {
    await using wiretap = startWiretap();
    await using connection = connectionForTest(wiretap.address);
    const publisher = new Publisher({ connection, kind, maxBufferedMessages: 5 });
    await publisher.start();
    wiretap.withhold();
    const send = () => publisher.sendMessageToQueue({ queueName: queue, body: "" });
    const taken = Array.from({ length: 5 }, send);
    const error = await assertRejects(send, PublisherOverflowError);
    assertEquals(error.code, "PUBLISHER_OVERFLOW");
    assertEquals(error.routingKey, queue);
    assertStringIncludes(error.message, "maxBufferedMessages (5)");
    wiretap.release();
    await Promise.all(taken);
    await send();
    assertEquals(await publisher.flush(), { confirmed: 6, failed: 1 });
    assertEquals((await made.takeAll(queue)).length, 6);
  }
});

Deno.test("Publisher refuses more than maxBufferedBytes, but takes any single message", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using wiretap = startWiretap();
  await using connection = connectionForTest(wiretap.address);
  const publisher = new Publisher({ connection, maxBufferedBytes: 1_000 });
  await publisher.start();
  wiretap.withhold();
  const send = (size: number) =>
    publisher.sendMessageToQueue({ queueName: queue, body: new Uint8Array(size) });
  const taken = [send(600), send(400)];
  const error = await assertRejects(() => send(1), PublisherOverflowError);
  assertStringIncludes(error.message, "maxBufferedBytes (1000)");
  const empty = send(0);
  wiretap.release();
  await Promise.all([...taken, empty]);
  await send(5_000);
  assertEquals(await made.count(queue), 4);
});

Deno.test("Publisher buffers 100 000 messages by default, and no more (45)", async () => {
  await using proxy = startProxy();
  await using connection = connectionForTest({ hostname: proxy.hostname, port: proxy.port });
  const refused: Error[] = [];
  const publisher = new Publisher({
    connection,
    onSendFailure: (error) => refused.push(error),
  });
  proxy.freeze();
  const starting = assertRejects(() => publisher.start(), LapinmqError);
  for (let count = 0; count < 100_003; count++) {
    void publisher.sendMessageToQueue({ queueName: "nobody", body: "" });
  }
  assertEquals(refused.length, 3);
  for (const error of refused) assertInstanceOf(error, PublisherOverflowError);
  const { unsent, unknown } = await publisher.stop({ timeoutMs: 0 });
  assertEquals([unsent.length, unknown.length], [100_000, 0]);
  await starting;
});

Deno.test("Publisher tells who collects with Promise.allSettled every outcome", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  await publisher.start();
  const outcomes = await Promise.allSettled(
    [queue, made.unused(), queue].map((queueName) =>
      publisher.sendMessageToQueue({ queueName, body: "" })
    ),
  );
  assertEquals(outcomes.map((one) => one.status), ["fulfilled", "rejected", "fulfilled"]);
  assertInstanceOf((outcomes[1] as PromiseRejectedResult).reason, UnroutableError);
});
