/** A `run` that ends by itself: when there is nothing to do any more, or when its time is over. */

import { assert, assertEquals } from "@std/assert";
import { Consumer, type Message, MessageStatus, Publisher, run } from "../../mod.ts";
import { broker, connectionForTest } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { startProxy } from "../support/proxy.ts";
import { heldTask } from "../support/tasks.ts";
import { topology } from "../support/topology.ts";

/** So that a test ends that would fail. */
const LONG_MS = 60_000;

const ENDED = { exitCode: 0, cause: undefined, abandoned: 0, unconfirmed: 0 } as const;

Deno.test("run with idleMs works on what is there, and ends when there is nothing to do any more", async () => {
  await using made = await topology();
  const [from, to] = [await made.queue(), await made.queue()];
  await made.fill(from, ["1", "2", "3"]);
  const connection = connectionForTest();
  const publisher = new Publisher({ connection });
  const consumer = new Consumer({
    connection,
    queueName: from,
    workers: 2,
    taskFunction: async (message) => {
      await publisher.sendMessageToQueue({ queueName: to, body: message.body });
      return MessageStatus.SUCCESS;
    },
  });
  const burst = () =>
    run({ publishers: [publisher], consumers: [consumer], idleMs: 200, maxRunMs: LONG_MS });
  assertEquals(await burst(), { reason: "idle", ...ENDED });
  assertEquals([await made.count(from), await made.count(to)], [0, 3]);
  // The next burst, with the same.
  await made.fill(from, ["4"]);
  assertEquals(await burst(), { reason: "idle", ...ENDED });
  assertEquals([await made.count(from), await made.count(to)], [0, 4]);
});

Deno.test("run with idleMs does not end while a task runs, or a message waits for a retry or a callback", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["task", "retry", "callback"]);
  const seen: string[] = [];
  const consumer = new Consumer({
    connection: connectionForTest(),
    queueName: queue,
    prefetch: 3,
    workers: 3,
    retryDelayMs: 1_000, // Much longer than the run is to be idle.
    taskFunction: async (message: Message) => {
      const what = message.text();
      seen.push(what);
      if (what === "callback") setTimeout(() => seen.push(`${what} ${message.ack()}`), 1_000);
      if (what === "callback") return MessageStatus.HANDLED_VIA_CALLBACK;
      if (what === "task") await new Promise((done) => setTimeout(done, 1_000));
      const isFirst = seen.filter((other) => other === what).length === 1;
      return what === "retry" && isFirst ? MessageStatus.FAIL_RETRY_LATER : MessageStatus.SUCCESS;
    },
  });
  const result = await run({ consumers: [consumer], idleMs: 50, maxRunMs: LONG_MS });
  assertEquals(result, { reason: "idle", ...ENDED });
  assertEquals(seen.toSorted(), ["callback", "callback true", "retry", "retry", "task"]);
  assertEquals(await made.count(queue), 0);
});

Deno.test("run with idleMs does not take a broker that is away for one that has no messages", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using proxy = startProxy();
  const { hostname, port } = proxy;
  const { username, password, vhost } = broker;
  const reconnect = { initialDelayMs: 100, maxDelayMs: 100 };
  const connection = connectionForTest({ hostname, port, username, password, vhost, reconnect });
  let attempts = 0;
  connection.addEventListener("reconnecting", () => attempts++);
  const task = heldTask();
  const consumer = new Consumer({ connection, queueName: queue, taskFunction: task });
  let isOver = false;
  // Long enough for the proxy to be told, once it works.
  const running = run({ consumers: [consumer], idleMs: 1_000, maxRunMs: LONG_MS })
    .finally(() => isOver = true);
  await made.fill(queue, ["first"]);
  await task.waitFor(1);
  proxy.refuse();
  proxy.cut();
  task.end();
  await eventually("the time has passed many times over", () => attempts > 30);
  assert(!isOver, "it waits for the broker");
  await made.fill(queue, ["second"]);
  task.endAll();
  proxy.listen();
  assertEquals((await running).reason, "idle");
  assertEquals(task.messages.map((message) => message.text()), ["first", "first", "second"]);
  assertEquals(await made.count(queue), 0);
});

Deno.test("run with maxRunMs ends after that time, and finishes what it has begun", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["x", "y"]);
  const task = heldTask();
  const consumer = new Consumer({
    connection: connectionForTest(),
    queueName: queue,
    taskFunction: task,
  });
  const running = run({ consumers: [consumer], idleMs: 500, maxRunMs: 1_500 });
  await task.waitFor(1);
  await eventually("it drains", () => consumer.health().reason === "stopping");
  task.endAll();
  assertEquals(await running, { reason: "maxRun", ...ENDED });
  assertEquals([task.messages.length, await made.count(queue)], [1, 1]);
});

Deno.test("run with maxRunMs ends although the broker never came", async () => {
  await using proxy = startProxy();
  proxy.refuse();
  const { hostname, port } = proxy;
  const publisher = new Publisher({ connection: connectionForTest({ hostname, port }) });
  const result = await run({ publishers: [publisher], maxRunMs: 300 });
  assertEquals(result, { reason: "maxRun", ...ENDED });
});

Deno.test("run ends when the program has stopped all that ran", async () => {
  await using made = await topology();
  const consumer = new Consumer({
    connection: connectionForTest(),
    queueName: await made.queue(),
    taskFunction: () => MessageStatus.SUCCESS,
  });
  const running = run({ consumers: [consumer] });
  await eventually("it runs", () => consumer.health().status === "up");
  await consumer.stop();
  assertEquals(await running, { reason: "stopped", ...ENDED });
});
