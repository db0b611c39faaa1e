/** How many messages are in flight, their order, and what a confirm sets off. */

import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { NackedError, type PublisherOptions, UnroutableError } from "../../mod.ts";
import { type FailedMessage, Publisher, type PublishError } from "../../mod.ts";
import { connectionForTest } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { topology } from "../support/topology.ts";
import { startWiretap } from "../support/wiretap.ts";

/** Sends through a wiretap which withholds confirms until so many messages are on their way. */
async function sendWatched(count: number, expectedInFlight: number, options: PublisherOptions) {
  await using made = await topology();
  const queue = await made.queue();
  await using wiretap = startWiretap();
  await using connection = connectionForTest(wiretap.address);
  const publisher = new Publisher({ connection, ...options });
  await publisher.start();
  wiretap.withhold();
  const sends = Array.from(
    { length: count },
    (_, index) => publisher.sendMessageToQueue({ queueName: queue, body: `${index}` }),
  );
  await eventually("the window is full", () => wiretap.inFlight === expectedInFlight);
  await made.waitForCount(queue, expectedInFlight);
  wiretap.release();
  await Promise.all(sends);
  const bodies = (await made.takeAll(queue)).map((message) => message.content.toString());
  assertEquals(bodies, Array.from({ length: count }, (_, index) => `${index}`));
  return wiretap;
}

Deno.test("Publisher of kind sync never has two messages in flight, and keeps the order", async () => {
  const seen = await sendWatched(300, 1, { kind: "sync" });
  assertEquals(seen.mostInFlight, 1);
  assertEquals(seen.count("basic.publish"), 300);
});

Deno.test("Publisher of kind async has maxInFlight messages in flight, and keeps the order", async () => {
  const seen = await sendWatched(300, 7, { maxInFlight: 7 });
  assertEquals(seen.mostInFlight, 7);
  assertEquals(seen.count("basic.publish"), 300);
});

Deno.test("Publisher is async by default, with 1000 messages in flight", async () => {
  const seen = await sendWatched(2500, 1000, {});
  assertEquals(seen.mostInFlight, 1000);
});

Deno.test("Publisher of kind sync writes a message after one was refused", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection, kind: "sync" });
  await publisher.start();
  const outcomes = await Promise.allSettled([
    publisher.sendMessageToQueue({ queueName: made.unused(), body: "lost" }),
    publisher.sendMessageToQueue({ queueName: queue, body: "kept" }),
  ]);
  assertEquals(outcomes.map((outcome) => outcome.status), ["rejected", "fulfilled"]);
  assertEquals(await made.count(queue), 1);
});

Deno.test("Publisher resolves a send only after the broker's confirm", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using wiretap = startWiretap();
  await using connection = connectionForTest(wiretap.address);
  const publisher = new Publisher({ connection, kind: "sync" });
  await publisher.start();
  wiretap.withhold();
  let resolved = false;
  const sending = publisher.sendMessageToQueue({ queueName: queue, body: "" })
    .then(() => resolved = true);
  await made.waitForCount(queue, 1); // The broker has it, and only its confirm is missing.
  assertEquals(resolved, false);
  wiretap.release();
  await sending;
  assertEquals(wiretap.count("basic.ack"), 1);
});

Deno.test("Publisher calls ackCallback once per confirmed message, and nackCallback never", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  await publisher.start();
  const acked = new Array<number>(500).fill(0);
  const nacked: Error[] = [];
  const sends = acked.map((_, index) =>
    publisher.sendMessageToQueue({
      queueName: queue,
      body: "",
      callbacks: {
        ackCallback: () => acked[index]++,
        nackCallback: (error) => nacked.push(error),
      },
    })
  );
  await Promise.all(sends);
  assertEquals(acked, new Array(500).fill(1));
  assertEquals(nacked, []);
});

Deno.test("Publisher calls nackCallback once, with the error, and the promise rejects with it as well", async () => {
  await using made = await topology();
  const full = await made.queue({
    arguments: { "x-max-length": 0, "x-overflow": "reject-publish" },
  });
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  await publisher.start();
  for (
    const [queueName, expected] of [[full, NackedError], [made.unused(), UnroutableError]] as const
  ) {
    let acks = 0;
    const nacks: Error[] = [];
    const sending = publisher.sendMessageToQueue({
      queueName,
      body: "",
      callbacks: { ackCallback: () => acks++, nackCallback: (error) => nacks.push(error) },
    });
    const error = await assertRejects(() => sending, expected);
    assertEquals([acks, nacks.length], [0, 1]);
    assert(nacks[0] === error);
  }
});

Deno.test("Publisher takes a send that nobody awaits for handled where it has a nackCallback", async () => {
  // An unhandled rejection would make this test fail.
  await using made = await topology();
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  await publisher.start();
  let failure: Error | undefined;
  void publisher.sendMessageToQueue({
    queueName: made.unused(),
    body: "",
    callbacks: { nackCallback: (error) => failure = error },
  });
  assertEquals(await publisher.flush(), { confirmed: 0, failed: 1 });
  assertInstanceOf(failure, UnroutableError);
});

Deno.test("Publisher tells onSendFailure of each failed send that has no nackCallback", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using connection = connectionForTest();
  const failures: [PublishError, FailedMessage][] = [];
  const publisher = new Publisher({
    connection,
    onSendFailure: (error, message) => failures.push([error, message]),
  });
  await publisher.start();
  const missing = made.unused();
  let nacks = 0;
  void publisher.sendMessageToQueue({ queueName: missing, body: "one", messageId: "first" });
  void publisher.sendMessageToQueue({ queueName: queue, body: "two" });
  void publisher.sendMessageToQueue({
    queueName: missing,
    body: "three",
    callbacks: { nackCallback: () => nacks++ },
  });
  assertEquals(await publisher.flush(), { confirmed: 1, failed: 2 });
  assertEquals([failures.length, nacks], [1, 1]);
  const [error, message] = failures[0];
  assertInstanceOf(error, UnroutableError);
  assertEquals(message, {
    exchange: "",
    routingKey: missing,
    messageId: "first",
    body: new TextEncoder().encode("one"),
  });
});

Deno.test("Publisher isolates callbacks that throw or reject (47)", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using connection = connectionForTest();
  const publisher = new Publisher({
    connection,
    onSendFailure: () => {
      throw new Error("from onSendFailure");
    },
  });
  const problems: string[] = [];
  publisher.addEventListener("error", ({ detail }) => {
    problems.push(`${detail.message}: ${(detail.error as Error).message}`);
  });
  await publisher.start();
  const send = (queueName: string, callbacks = {}) =>
    publisher.sendMessageToQueue({ queueName, body: "", callbacks });
  const fail = (message: string) => () => {
    throw new Error(message);
  };
  const reject = (message: string) => () => Promise.reject(new Error(message));
  const missing = made.unused();
  const outcomes = await Promise.allSettled([
    send(queue, { ackCallback: fail("A") }),
    send(queue, { ackCallback: reject("B") }),
    send(missing, { nackCallback: fail("C") }),
    send(missing, { nackCallback: reject("D") }),
    send(missing),
    send(queue),
  ]);
  assertEquals(
    outcomes.map((outcome) => outcome.status),
    ["fulfilled", "fulfilled", "rejected", "rejected", "rejected", "fulfilled"],
  );
  await eventually("all are reported", () => problems.length >= 5);
  assertEquals(problems.sort(), [
    "onSendFailure threw: from onSendFailure",
    "the ackCallback rejected: B",
    "the ackCallback threw: A",
    "the nackCallback rejected: D",
    "the nackCallback threw: C",
  ]);
});
