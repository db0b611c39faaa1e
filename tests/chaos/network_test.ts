/** The network between the library and a broker that is well. */

import { assert, assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import { assertStringIncludes } from "@std/assert";
import { ConfirmTimeoutError, Consumer, Publisher } from "../../mod.ts";
import { connectionForTest } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { startProxy } from "../support/proxy.ts";
import { startResetProxy } from "../support/reset_proxy.ts";
import { heldTask } from "../support/tasks.ts";
import { usedMemory } from "../support/used_memory.ts";
import { type Topology, topology } from "../support/topology.ts";
import { assertAllThere, collector, QUICK, sendNumbers } from "./support.ts";

const BASIC_CONSUME = [60, 20] as const;
const CONFIRM_SELECT = [85, 10] as const;

async function bodiesIn(made: Topology, queue: string): Promise<string[]> {
  return (await made.takeAll(queue)).map((message) => message.content.toString());
}

/** Sends 3 000 messages while the connection is broken again and again. */
async function sendUnderFire(
  address: { hostname: string; port: number },
  breakIt: () => void,
): Promise<string[]> {
  const total = 3_000;
  await using made = await topology();
  const queue = await made.queue();
  const { hostname, port } = address;
  await using connection = connectionForTest({ hostname, port, reconnect: QUICK });
  const causes: string[] = [];
  connection.addEventListener("disconnected", ({ detail }) => causes.push(detail.cause.message));
  const publisher = new Publisher({ connection, maxInFlight: 100 });
  await publisher.start();
  let confirmed = 0;
  const ackCallback = () => {
    if (++confirmed % 500 === 0) breakIt();
  };
  await Promise.all(sendNumbers(publisher, queue, 0, total, { ackCallback }));
  await eventually("every loss is noticed", () => causes.length >= 5);
  const bodies = await bodiesIn(made, queue);
  const copies = assertAllThere(bodies, total);
  // At most what was in flight is sent again.
  assert(copies <= causes.length * 100, `There were ${copies} copies`);
  return causes;
}

Deno.test("1 RST in mid-publish: unconfirmed messages are sent again, nothing is lost", async () => {
  await using proxy = await startResetProxy();
  const causes = await sendUnderFire(proxy, () => proxy.reset());
  assertMatch(causes.join("\n"), /ECONNRESET|EPIPE/);
});

Deno.test("2 FIN in mid-publish: unconfirmed messages are sent again, nothing is lost", async () => {
  await using proxy = startProxy();
  await sendUnderFire(proxy, () => proxy.cut());
});

Deno.test("3 blackhole: noticed within three heartbeats, the socket is destroyed, a fresh one takes over", async () => {
  await using made = await topology();
  await using proxy = startProxy();
  const queue = await made.queue();
  const { hostname, port } = proxy;
  await using connection = connectionForTest({
    hostname,
    port,
    reconnect: QUICK,
    heartbeatSeconds: 1,
  });
  const losses: { role: string; afterMs: number; message: string }[] = [];
  let start = 0;
  connection.addEventListener("disconnected", ({ detail: { role, cause } }) => {
    losses.push({ role, afterMs: performance.now() - start, message: cause.message });
  });
  const publisher = new Publisher({ connection });
  const task = collector();
  const consumer = new Consumer({ connection, queueName: queue, taskFunction: task });
  await publisher.start();
  await consumer.start();
  await Promise.all(sendNumbers(publisher, queue, 0, 10));
  assertEquals(proxy.open, 2);
  start = performance.now();
  proxy.blackhole();
  const sends = sendNumbers(publisher, queue, 10, 20);
  await Promise.all(sends);
  await task.waitForAll(20);
  assertEquals(losses.map(({ role }) => role).toSorted(), ["consume", "publish"]);
  for (const { afterMs, message } of losses) {
    assertMatch(message, /[Hh]eartbeat/);
    // Three intervals, and some time for a busy machine.
    assert(afterMs < 3_000 + 5_000, `It was noticed after ${afterMs} ms`);
  }
  await eventually("the dead connections are closed", () => proxy.open === 2);
});

Deno.test("4 the proxy stops reading from the client: memory stays bounded, sends time out", async () => {
  await using made = await topology();
  await using proxy = startProxy();
  const queue = await made.queue();
  const { hostname, port } = proxy;
  // It does not give the connection up meanwhile.
  await using connection = connectionForTest({ hostname, port, connectTimeoutMs: 60_000 });
  const body = new Uint8Array(64 * 1024);
  const room = 128;
  const publisher = new Publisher({
    connection,
    sendTimeoutMs: 500,
    maxBufferedBytes: room * body.byteLength,
  });
  await publisher.start();
  proxy.stall();
  const before = usedMemory();
  const errors = new Map<string, Error>();
  for (let round = 0; round < 10; round++) {
    // 16 MiB are offered; what is over the limit is refused at once, the rest when its time is over.
    for (let index = 0; index < 2 * room; index++) {
      void publisher.sendMessageToQueue({ queueName: queue, body })
        .catch((error) => errors.set(error.code, error));
    }
    await publisher.flush();
  }
  const grown = usedMemory() - before;
  assert(grown < 32 * 1024 * 1024, `The process has grown by ${grown} bytes`);
  assertEquals([...errors.keys()].toSorted(), ["CONFIRM_TIMEOUT", "PUBLISHER_OVERFLOW"]);
  const timeout = errors.get("CONFIRM_TIMEOUT");
  assertInstanceOf(timeout, ConfirmTimeoutError);
  // In the end it tries another channel, which cannot open either.
  assertMatch(timeout.message, /[Tt]he broker (did not confirm it|has confirmed none)/);
  proxy.read();
  // As soon as the broker has stored what was on its way.
  await eventually(
    "a send is confirmed in time",
    () =>
      publisher.sendMessageToQueue({ queueName: queue, body: "last" })
        .then(() => true, () => false),
  );
  // What had been given up in the meantime was not piled up for the socket.
  const found = await made.takeAll(queue);
  const written = found.filter(({ content }) => content.length === body.byteLength).length;
  assert(written >= room / 2 && written <= room, `${written} messages were written`);
});

Deno.test("5 one-byte fragments with 200 ms latency: publishing and consuming work", async () => {
  await using made = await topology();
  await using proxy = startProxy();
  proxy.fragment(200);
  const queue = await made.queue();
  const { hostname, port } = proxy;
  await using connection = connectionForTest({ hostname, port });
  const publisher = new Publisher({ connection });
  const task = collector();
  const consumer = new Consumer({
    connection,
    queueName: queue,
    taskFunction: task,
    prefetch: 20,
  });
  await publisher.start();
  await consumer.start();
  await Promise.all(sendNumbers(publisher, queue, 0, 20));
  await task.waitForAll(20);
  assertEquals(task.bodies.length, 20);
  await consumer.stop();
  assertEquals(await made.count(queue), 0);
});

Deno.test("6 port closed: backoff with jitter, recovery when it opens", async () => {
  await using made = await topology();
  await using proxy = startProxy();
  const queue = await made.queue();
  const { hostname, port } = proxy;
  const [initialDelayMs, maxDelayMs] = [16, 256];
  await using connection = connectionForTest({
    hostname,
    port,
    reconnect: { initialDelayMs, maxDelayMs },
  });
  connection.addEventListener("disconnected", () => {});
  const delays: number[] = [];
  let cause = "";
  connection.addEventListener("reconnecting", ({ detail }) => {
    delays.push(detail.delayMs);
    cause = detail.cause.message;
  });
  const publisher = new Publisher({ connection });
  await publisher.start();
  proxy.refuse();
  proxy.cut();
  const sends = sendNumbers(publisher, queue, 0, 10);
  await eventually("it has tried ten times", () => delays.length >= 10);
  assertStringIncludes(cause, "nothing listens there");
  proxy.listen();
  await Promise.all(sends);
  assertEquals(await bodiesIn(made, queue), [..."0123456789"]);
  for (const [index, delayMs] of delays.entries()) {
    const full = Math.min(initialDelayMs * 2 ** index, maxDelayMs);
    assert(delayMs >= full / 2 && delayMs <= full, `Delay ${index} was ${delayMs} ms`);
  }
  const last = delays.slice(4);
  assert(new Set(last).size > 1, `Without jitter: ${last}`);
});

Deno.test("9 cut during set-up: the attempt is abandoned and repeated", async () => {
  await using made = await topology();
  await using proxy = startProxy();
  const queue = await made.queue();
  const { hostname, port } = proxy;
  await using connection = connectionForTest({ hostname, port, reconnect: QUICK });
  connection.addEventListener("disconnected", () => {});
  // Already the first set-up is cut: start() goes on trying.
  proxy.cutAt(BASIC_CONSUME, 2);
  const task = heldTask();
  const consumer = new Consumer({ connection, queueName: queue, taskFunction: task });
  const lost: Error[] = [];
  consumer.addEventListener("channellost", ({ detail }) => lost.push(detail.cause));
  await consumer.start();
  assertEquals(proxy.strikes, 2);
  proxy.cutAt(CONFIRM_SELECT, 2);
  const publisher = new Publisher({ connection });
  await publisher.start();
  assertEquals(proxy.strikes, 2);
  // And a later one: each attempt has a connection of its own, and none is left behind.
  proxy.cutAt(BASIC_CONSUME, 3);
  proxy.cut();
  await eventually("every attempt was cut", () => proxy.strikes === 3);
  await publisher.sendMessageToQueue({ queueName: queue, body: "one" });
  await task.waitFor(1);
  assert(lost.length >= 1);
  await eventually("two connections are open", () => proxy.open === 2);
  task.endAll();
  assertEquals((await consumer.stop()).completed, 1);
  assertEquals(task.messages.length, 1);
});
