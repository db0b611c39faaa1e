/** What a single send may ask for: not to be returned, less time, and to be withdrawn. */

import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import {
  type ConfigurationError,
  ConfirmTimeoutError,
  Publisher,
  PublishError,
  SendAbortedError,
  type SendCallbacks,
  UnroutableError,
} from "../../mod.ts";
import { connectionForTest } from "../support/broker.ts";
import { topology } from "../support/topology.ts";
import { startWiretap } from "../support/wiretap.ts";

Deno.test("Publisher leaves an unroutable message to be dropped only if it is told so", async () => {
  await using made = await topology();
  const missing = made.unused();
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  await publisher.start();
  const send = (options: { mandatory?: boolean }) =>
    publisher.sendMessageToQueue({ queueName: missing, body: "", ...options });
  await send({ mandatory: false });
  for (const options of [{}, { mandatory: true }]) {
    const error = await assertRejects(() => send(options), UnroutableError);
    assertEquals(error.mayHaveArrived, false);
  }
});

Deno.test("Publisher withdraws what is not written when its signal aborts, and awaits what is", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using wiretap = startWiretap();
  await using connection = connectionForTest(wiretap.address);
  const publisher = new Publisher({ connection, kind: "sync" });
  await publisher.start();
  wiretap.withhold();
  const controller = new AbortController();
  const send = (body: string, options: { signal?: AbortSignal; sendTimeoutMs?: number }) =>
    publisher.sendMessageToQueue({ queueName: queue, body, ...options });
  const { signal } = controller;
  const sends = [send("written", { signal }), send("withdrawn", { signal }), send("last", {})];
  const inTime = assertRejects(() => send("late", { sendTimeoutMs: 1 }), ConfirmTimeoutError);
  await made.waitForCount(queue, 1);
  controller.abort(new Error("no longer wanted"));
  const error = await assertRejects(() => sends[1], SendAbortedError);
  assertEquals([error.mayHaveArrived, error.cause], [false, signal.reason]);
  assertEquals((await inTime).mayHaveArrived, false);
  wiretap.release();
  await Promise.all([sends[0], sends[2]]);
  const bodies = (await made.takeAll(queue)).map(({ content }) => content.toString());
  assertEquals(bodies, ["written", "last"]);
});

Deno.test("Publisher gives a send more time than others", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using wiretap = startWiretap();
  await using connection = connectionForTest(wiretap.address);
  const publisher = new Publisher({ connection, sendTimeoutMs: 100 });
  await publisher.start();
  wiretap.withhold();
  const patient = publisher.sendMessageToQueue({
    queueName: queue,
    body: "patient",
    sendTimeoutMs: 600_000,
  });
  const usual = publisher.sendMessageToQueue({ queueName: queue, body: "usual" });
  const error = await assertRejects(() => usual, ConfirmTimeoutError);
  assertEquals([error.written, error.mayHaveArrived], [true, true]);
  wiretap.release();
  await patient;
});

Deno.test("nackCallback is given a PublishError, or a ConfigurationError whatever the options throw", async () => {
  await using made = await topology();
  const missing = made.unused();
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  await publisher.start();
  const errors: (PublishError | ConfigurationError)[] = [];
  const nackCallback: SendCallbacks["nackCallback"] = (error) => {
    errors.push(error);
    // The compiler knows both.
    return error instanceof PublishError ? error.mayHaveArrived : error.code;
  };
  const callbacks = { nackCallback };
  const hostile = {
    queueName: missing,
    callbacks,
    get body(): string {
      throw new RangeError("from a getter");
    },
  };
  void publisher.sendMessageToQueue(hostile);
  void publisher.sendMessageToQueue({ queueName: missing, body: "", priority: -1, callbacks });
  await publisher.sendMessageToQueue({ queueName: missing, body: "", callbacks }).catch(() => {});
  assertEquals(errors.map(({ code }) => code), ["CONFIGURATION", "CONFIGURATION", "UNROUTABLE"]);
  assertInstanceOf(errors[0].cause, RangeError);
});
