/** Stopping while something is on its way, and what the next start finds. */

import { assert, assertEquals } from "@std/assert";
import { Connection, Consumer, MessageStatus, Publisher, run } from "../../mod.ts";
import { AmqpServer, type Call, delivery } from "../support/amqp_server.ts";
import { broker, connectionForTest } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { heldTask, notingTask } from "../support/tasks.ts";
import { type Topology, topology } from "../support/topology.ts";
import { QUICK } from "./support.ts";

const BASIC_CONSUME = [60, 20] as const;
const LIMIT = 4;

/** A quorum queue with a delivery limit and dead letters, and five messages in it. */
async function limitedQueue(made: Topology): Promise<{ queue: string; dead: string }> {
  const dead = await made.queue();
  const queue = await made.queue({
    arguments: {
      "x-queue-type": "quorum",
      "x-delivery-limit": LIMIT,
      "x-dead-letter-exchange": "",
      "x-dead-letter-routing-key": dead,
    },
  });
  await made.fill(queue, ["0", "1", "2", "3", "4"]);
  return { queue, dead };
}

function through(proxy: Proxy): Connection {
  const url = new URL(broker.url);
  url.hostname = proxy.hostname;
  url.port = `${proxy.port}`;
  return connectionForTest({ url: url.href, reconnect: QUICK });
}

async function waitForConsumers(made: Topology, queue: string, count: number): Promise<void> {
  await eventually(
    `queue ${queue} has ${count} consumers`,
    async () => (await made.channel.checkQueue(queue)).consumerCount === count,
  );
}

Deno.test("66 stop() while basic.consume is on its way and an older task runs: that consumer is cancelled, nothing storms", async () => {
  await using made = await topology();
  const { queue, dead } = await limitedQueue(made);
  await using proxy = startProxy();
  await using connection = through(proxy);
  const task = heldTask();
  const consumer = new Consumer({ connection, queueName: queue, taskFunction: task, prefetch: 5 });
  await consumer.start();
  await task.waitFor(1);
  proxy.muteAt(BASIC_CONSUME);
  proxy.cut();
  await eventually("it consumes again", () => proxy.strikes === 1);
  const stopping = consumer.stop();
  proxy.unmute();
  // The task goes on meanwhile, and nothing but it.
  await waitForConsumers(made, queue, 0);
  await made.waitForCount(queue, 5);
  assertEquals(task.running, 1);
  task.endAll();
  await stopping;
  assertEquals([task.messages.length, await made.count(dead)], [1, 0]);
  await made.waitForCount(queue, 5);
});

Deno.test("67 the last worker overruns while basic.consume is on its way: that consumer is cancelled, nothing storms", async () => {
  await using made = await topology();
  const { queue, dead } = await limitedQueue(made);
  await using proxy = startProxy();
  await using connection = through(proxy);
  const task = heldTask();
  const consumer = new Consumer({
    connection,
    queueName: queue,
    taskTimeoutMs: 3_000, // The channel is lost, and opened again, before that.
    taskGraceMs: 0,
    taskFunction: task,
    prefetch: 5,
  });
  consumer.addEventListener("taskfailed", () => {});
  await consumer.start();
  await task.waitFor(1);
  proxy.muteAt(BASIC_CONSUME);
  proxy.cut();
  await eventually("it consumes again", () => proxy.strikes === 1);
  await eventually("it is stuck", () => consumer.health().reason?.includes("time is over"));
  proxy.unmute();
  await waitForConsumers(made, queue, 0);
  await made.waitForCount(queue, 5);
  // When the task has ended at last, it goes on.
  task.endAll();
  await task.waitFor(6);
  await made.waitForCount(queue, 0);
  await consumer.stop();
  assertEquals([task.messages.length, await made.count(dead)], [6, 0]);
});

Deno.test("68 stop() when the last body frame has come in part: no task begins on a stopped consumer", async () => {
  const body = "x".repeat(20_000);
  let rest: number[] = [];
  const unanswered: Call[] = [];
  await using server = new AmqpServer((client, call) => {
    if (call.name === "basic.consume") {
      client.behave(call);
      const frames = delivery(call.channel, client.consumerTags.get(call.channel)!, 1, body);
      rest = frames.slice(-5_000);
      client.send(frames.slice(0, -5_000));
      return true;
    }
    // No answer can come before the rest of the frame has.
    if (rest.length > 0) unanswered.push(call);
    return rest.length > 0;
  });
  const { hostname, port } = server;
  await using connection = new Connection({ hostname, port, logger: null });
  const task = notingTask();
  const consumer = new Consumer({ connection, queueName: "work", taskFunction: task });
  await consumer.start();
  assertEquals((await consumer.stop({ timeoutMs: 500 })).abandoned, 0);
  server.client.send(rest);
  rest = [];
  for (const call of unanswered) server.client.behave(call);
  // Whatever was sent before its answers has come.
  const other = new Consumer({ connection, queueName: "work", taskFunction: task });
  await other.start();
  await other.stop();
  assertEquals(task.messages.length, 0);
});

/** Answers one call of the first channel that makes it only when it is told to. */
function lateAnswer(name: Call["name"]) {
  let late: (() => void) | undefined;
  return {
    answer: (client: Parameters<AmqpServer["answer"]>[0], call: Call) => {
      if (call.name !== name || late !== undefined) return false;
      late = () => client.behave(call);
      return true;
    },
    get isAwaited() {
      return late !== undefined;
    },
    give: () => late!(),
  };
}

Deno.test("69 stop() and start() during a slow set-up: the old channel of a consumer overwrites nothing of the new one", async () => {
  const late = lateAnswer("queue.declare");
  let declared = 0;
  await using server = new AmqpServer((client, call) => {
    if (call.name === "queue.declare") declared++;
    return late.answer(client, call);
  });
  const { hostname, port } = server;
  const connection = new Connection({ hostname, port, logger: null });
  const task = notingTask();
  const consumer = new Consumer({ connection, queueName: "", taskFunction: task });
  const first = consumer.start().catch(() => {});
  await eventually("its queue is being declared", () => late.isAwaited);
  await consumer.stop({ timeoutMs: 0 });
  await consumer.start();
  await first;
  const { client } = server;
  const tags = new Map(client.consumerTags);
  late.give();
  await eventually("the old channel is closed", () => client.calls.includes("channel.close"));
  assertEquals([declared, consumer.queueName, tags.size], [2, "declared", 1]);
  // The old one has not consumed, and what the new one receives is worked on.
  assertEquals(client.consumerTags, tags);
  const [[channel, tag]] = tags;
  client.send(delivery(channel, tag, 1));
  await task.waitFor(1);
  await eventually("it is acknowledged", () => client.calls.includes("basic.ack"));
  await consumer.stop();
  await connection.close();
});

Deno.test("69 stop() and start() during a slow set-up: a publisher that is stuck drops its new channel, not the old one", async () => {
  const late = lateAnswer("confirm.select");
  let confirms = 0;
  await using server = new AmqpServer((client, call) => {
    if (call.name === "confirm.select") confirms++;
    return late.answer(client, call);
  });
  const { hostname, port } = server;
  const connection = new Connection({ hostname, port, logger: null, reconnect: QUICK });
  const publisher = new Publisher({ connection, kind: "sync", sendTimeoutMs: 200 });
  publisher.addEventListener("channellost", () => {});
  const first = publisher.start().catch(() => {});
  await eventually("its channel is being set up", () => late.isAwaited);
  await publisher.stop({ timeoutMs: 0 });
  await publisher.start();
  await first;
  const { client } = server;
  late.give();
  await eventually("the old channel is closed", () => client.calls.includes("channel.close"));
  // Nothing is ever confirmed: another channel is the way out.
  await publisher.sendMessageToQueue({ queueName: "work", body: "stuck" }).catch(() => {});
  await eventually("it opens another channel", () => confirms === 3);
  await publisher.stop({ timeoutMs: 0 });
  await connection.close();
});

for (const how of ["stop", "run"] as const) {
  Deno.test(`82 a drain that loses its channel with a task running says what was given up, of ${how}`, async () => {
    await using made = await topology();
    const queue = await made.queue();
    await made.fill(queue, ["one", "two"]);
    await using proxy = startProxy();
    await using connection = through(proxy);
    const task = heldTask();
    const consumer = new Consumer({ connection, queueName: queue, taskFunction: task });
    const lost = Promise.withResolvers<void>();
    consumer.addEventListener("channellost", () => lost.resolve());
    const asked = new AbortController();
    const running = how === "run"
      ? run({ consumers: [consumer], osSignals: [], signal: asked.signal })
      : consumer.start().then(() => undefined);
    const [message] = await task.waitFor(1);
    asked.abort();
    const stopping = how === "run" ? running : consumer.stop();
    await eventually("it drains", () => consumer.health().reason === "stopping");
    await waitForConsumers(made, queue, 0);
    proxy.cut();
    await lost.promise;
    assert(message.signal.aborted);
    task.end(MessageStatus.SUCCESS);
    const result = await stopping;
    assertEquals(result?.abandoned, 1);
    if (how === "run") {
      assertEquals((await running)?.exitCode, 1);
      Deno.exitCode = 0;
    }
    await made.waitForCount(queue, 2);
  });
}
