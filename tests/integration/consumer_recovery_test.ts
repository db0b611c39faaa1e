import { Buffer } from "node:buffer";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  ChannelError,
  type Connection,
  ConnectionError,
  Consumer,
  LapinmqError,
  MessageStatus,
} from "../../mod.ts";
import { connectionForTest, evaluate, notOurs, openAtBroker } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { heldTask, notingTask } from "../support/tasks.ts";
import { topology } from "../support/topology.ts";

const QUICK = { initialDelayMs: 1, maxDelayMs: 20 };

function connectionThrough({ hostname, port }: Proxy): Connection {
  return connectionForTest({ hostname, port, reconnect: QUICK });
}

Deno.test("Consumer comes back by itself when its connection is cut, and works on everything again", async () => {
  await using made = await topology();
  await using proxy = startProxy();
  const queue = await made.queue();
  await made.fill(queue, ["0", "1", "2", "3"]);
  await using connection = connectionThrough(proxy);
  const task = heldTask();
  const consumer = new Consumer({
    connection,
    queueName: queue,
    workers: 2,
    prefetch: 3,
    taskFunction: task,
  });
  const lost: Error[] = [];
  consumer.addEventListener("channellost", ({ detail }) => lost.push(detail.cause));
  await consumer.start();
  const running = [...await task.waitFor(2)];
  const signals = running.map(({ signal }) => signal);
  assert(signals.every((signal) => !signal.aborted));
  proxy.cut();
  await eventually("the signals are aborted", () => signals.every((signal) => signal.aborted));
  assertInstanceOf(signals[0].reason, ConnectionError);
  // Tasks that ignore their signals keep their workers, and hold up nothing but new tasks.
  await eventually("the consumer is back", () => consumer.health().status === "up");
  await made.waitForCount(queue, 1);
  assertEquals(task.messages.length, 2);
  task.endAll();
  await task.waitFor(6);
  await consumer.stop();
  assertEquals(task.most, 2);
  const again = task.messages.slice(2);
  assertEquals(again.map((message) => message.text()).toSorted(), ["0", "1", "2", "3"]);
  assertEquals(
    again.filter(({ redelivered }) => redelivered).map((message) => message.text()).toSorted(),
    ["0", "1", "2"],
  );
  assertEquals(await made.count(queue), 0);
  assertEquals(lost.length, 1);
});

Deno.test("Consumer comes back when the port was closed for a while", async () => {
  await using made = await topology();
  await using proxy = startProxy();
  const queue = await made.queue();
  await using connection = connectionThrough(proxy);
  const task = notingTask();
  const consumer = new Consumer({ connection, queueName: queue, taskFunction: task });
  consumer.addEventListener("channellost", () => {});
  await consumer.start();
  let attempts = 0;
  connection.addEventListener("reconnecting", ({ detail }) => attempts = detail.attempt);
  proxy.refuse();
  proxy.cut();
  await eventually("it has tried a few times", () => attempts >= 3);
  assertEquals(consumer.health().status, "recovering");
  await made.fill(queue, ["one"]);
  proxy.listen();
  await task.waitFor(1);
  await eventually("the consumer is back", () => consumer.health().status === "up");
});

Deno.test("Consumer makes its temporary queue and its bindings again after a connection loss", async () => {
  await using made = await topology();
  await using proxy = startProxy();
  const exchange = await made.exchange("direct");
  await using connection = connectionThrough(proxy);
  const task = notingTask();
  const consumer = new Consumer({
    connection,
    queueName: "",
    exchange,
    bindingKeys: ["a", "b"],
    taskFunction: task,
  });
  consumer.addEventListener("channellost", () => {});
  await consumer.start();
  const before = consumer.queueName;
  proxy.cut();
  await eventually("it has a queue again", () => !["", before].includes(consumer.queueName));
  await eventually("the consumer is back", () => consumer.health().status === "up");
  for (const key of ["a", "b", "c", "a"]) made.channel.publish(exchange, key, Buffer.from(key));
  await task.waitFor(3);
  assertEquals(task.bodies, ["a", "b", "a"]);
  assertNotEquals(consumer.queueName, before);
});

Deno.test("Consumer does not hand out the name of a temporary queue that is gone, and tells of the next", async () => {
  await using made = await topology();
  await using proxy = startProxy();
  await using connection = connectionThrough(proxy);
  const task = notingTask();
  const consumer = new Consumer({ connection, queueName: "", taskFunction: task });
  await assertRejects(() => consumer.ready, LapinmqError, "start()");
  const names: string[] = [];
  consumer.addEventListener("subscribed", ({ detail }) => names.push(detail.queueName));
  const lost = Promise.withResolvers<string>();
  consumer.addEventListener("channellost", () => lost.resolve(consumer.queueName));
  const started = consumer.start();
  await consumer.ready;
  assertEquals(names, [consumer.queueName]);
  await started;
  proxy.refuse();
  proxy.cut();
  assertEquals(await lost.promise, "");
  let isReady = false;
  const ready = consumer.ready.then(() => isReady = true);
  await eventually("it tries to come back", () => consumer.health().status === "recovering");
  assertEquals([consumer.queueName, isReady], ["", false]);
  proxy.listen();
  await ready;
  assertEquals(names, [names[0], consumer.queueName]);
  assertNotEquals(names[0], names[1]);
  await made.fill(consumer.queueName, ["to the new one"]);
  await task.waitFor(1);
  proxy.refuse();
  proxy.cut();
  await eventually("it is lost again", () => consumer.queueName === "");
  const waiting = assertRejects(() => consumer.ready, LapinmqError, "not running");
  await consumer.stop({ timeoutMs: 0 });
  await waiting;
  await assertRejects(() => consumer.ready, LapinmqError, "start()");
});

Deno.test("Consumer tells that its queue was deleted, and consumes again once there is one", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using connection = connectionForTest({ reconnect: QUICK });
  const task = heldTask();
  const consumer = new Consumer({ connection, queueName: queue, taskFunction: task });
  const lost: Error[] = [];
  consumer.addEventListener("channellost", ({ detail }) => lost.push(detail.cause));
  await consumer.start();
  await made.fill(queue, ["before"]);
  const [message] = await task.waitFor(1);
  const { signal } = message;
  await made.channel.deleteQueue(queue);
  await eventually("its set-up has failed", () => lost.length >= 2);
  assertInstanceOf(lost[0], ChannelError);
  assertEquals(lost[0].code, "CONSUMER_CANCELLED");
  assertStringIncludes(lost[0].message, queue);
  assertInstanceOf(lost[1], ChannelError);
  assertEquals(lost[1].code, "QUEUE_NOT_FOUND");
  assert(signal.aborted);
  assertEquals(message.ack(), false);
  assertEquals(consumer.health().status, "recovering");
  assertStringIncludes(consumer.health().reason!, queue);
  task.endAll();
  await made.channel.assertQueue(queue, { durable: true });
  await made.fill(queue, ["after"]);
  await task.waitFor(2);
  assertEquals(task.messages[1].text(), "after");
});

Deno.test({
  name: "Consumer makes its temporary queue again when that was deleted",
  ignore: notOurs,
  fn: async () => {
    await using made = await topology();
    const exchange = await made.exchange("fanout");
    await using connection = connectionForTest({ reconnect: QUICK });
    const task = notingTask();
    const consumer = new Consumer({ connection, queueName: "", exchange, taskFunction: task });
    consumer.addEventListener("channellost", () => {});
    await consumer.start();
    const before = consumer.queueName;
    await evaluate(`
      {ok, Queue} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"${before}">>)),
      rabbit_amqqueue:delete(Queue, false, false, <<"test">>).
    `);
    await eventually("it has a queue again", () => !["", before].includes(consumer.queueName));
    await eventually("the consumer is back", () => consumer.health().status === "up");
    made.channel.publish(exchange, "", Buffer.from("one"));
    await task.waitFor(1);
  },
});

Deno.test({
  name: "Consumer survives that the broker closes its connection",
  ignore: notOurs,
  fn: async () => {
    await using made = await topology();
    const queue = await made.queue();
    const connectionName = made.unused();
    await using connection = connectionForTest({ connectionName, reconnect: QUICK });
    const task = heldTask();
    const consumer = new Consumer({ connection, queueName: queue, taskFunction: task });
    const causes: Error[] = [];
    connection.addEventListener("disconnected", ({ detail }) => causes.push(detail.cause));
    consumer.addEventListener("channellost", () => {});
    await consumer.start();
    await made.fill(queue, ["message"]);
    const { signal } = (await task.waitFor(1))[0];
    const { connections: [pid] } = await openAtBroker(connectionName);
    await evaluate(
      `rabbit_networking:close_connection(list_to_pid("${pid}"), "maintenance of the broker").`,
    );
    await eventually("the signal is aborted", () => signal.aborted);
    task.endAll();
    await task.waitFor(2);
    assertEquals(task.messages[1].redelivered, true);
    assertEquals(causes.length, 1);
    assertStringIncludes(causes[0].message, "maintenance of the broker");
    await consumer.stop();
    assertEquals(await made.count(queue), 0);
    const { connections } = await openAtBroker(connectionName);
    assert(connections.length === 1 && connections[0] !== pid);
  },
});

Deno.test("Consumer goes on releasing and retrying after a connection loss as if nothing had been", async () => {
  await using made = await topology();
  await using proxy = startProxy();
  const queue = await made.queue();
  await made.fill(queue, ["message"]);
  await using connection = connectionThrough(proxy);
  let attempts = 0;
  const consumer = new Consumer({
    connection,
    queueName: queue,
    retryDelayMs: 900_000,
    taskFunction: () => ++attempts < 2 ? MessageStatus.FAIL_RETRY_LATER : MessageStatus.SUCCESS,
  });
  consumer.addEventListener("channellost", () => {});
  await consumer.start();
  await eventually("it has failed", () => attempts === 1);
  // The loss ends the delay: the broker has the message again, and delivers it.
  proxy.cut();
  await eventually("it is delivered again", () => attempts === 2);
  await consumer.stop();
  assertEquals(await made.count(queue), 0);
});
