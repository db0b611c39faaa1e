import { assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import {
  AccessRefusedError,
  type BaseConsumerOptions,
  ChannelError,
  type Connection,
  Consumer,
  ExchangeNotFoundError,
  QueueNotFoundError,
} from "../../mod.ts";
import { connectionForTest, notOurs, openAtBroker } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { notingTask } from "../support/tasks.ts";
import { topology } from "../support/topology.ts";
import { brokerUser } from "../support/users.ts";

/** The error of a start that fails at once; the consumer is left as one that was never started. */
async function startError(
  connection: Connection,
  options: BaseConsumerOptions,
): Promise<ChannelError> {
  const consumer = new Consumer({ connection, taskFunction: notingTask(), ...options });
  const error = await assertRejects(() => consumer.start());
  assertInstanceOf(error, ChannelError);
  assertEquals(consumer.health().status, "down");
  assertEquals(await consumer.stop(), { completed: 0, released: 0, abandoned: 0 });
  return error;
}

Deno.test("Consumer.start rejects with QueueNotFoundError, which names the queue, until there is one", async () => {
  await using made = await topology();
  await using connection = connectionForTest();
  const queueName = made.unused();
  const error = await startError(connection, { queueName });
  assertInstanceOf(error, QueueNotFoundError);
  assertEquals([error.code, error.queue, error.replyCode], ["QUEUE_NOT_FOUND", queueName, 404]);
  assertStringIncludes(error.message, `Cannot use queue "${queueName}": it does not exist`);

  const task = notingTask();
  const consumer = new Consumer({ connection, queueName, taskFunction: task });
  await assertRejects(() => consumer.start(), QueueNotFoundError);
  await made.channel.assertQueue(queueName, { durable: true, expires: 60_000 });
  await consumer.start();
  await made.fill(queueName, ["one"]);
  await task.waitFor(1);
  await consumer.stop();
  await made.channel.deleteQueue(queueName);
});

Deno.test("Consumer.start rejects with ExchangeNotFoundError, which names the exchange", async () => {
  await using made = await topology();
  await using connection = connectionForTest();
  const queue = await made.queue();
  const exchange = made.unused();
  for (const queueName of [queue, ""]) {
    for (const bindingKeys of [undefined, ["key"]]) {
      const error = await startError(connection, { queueName, exchange, bindingKeys });
      assertInstanceOf(error, ExchangeNotFoundError);
      assertEquals(
        [error.code, error.exchange, error.replyCode],
        ["EXCHANGE_NOT_FOUND", exchange, 404],
      );
      assertStringIncludes(error.message, `Cannot use exchange "${exchange}": it does not exist`);
    }
  }
});

Deno.test("Consumer.start rejects with QueueNotFoundError where it is the queue to bind that is missing", async () => {
  await using made = await topology();
  await using connection = connectionForTest();
  const exchange = await made.exchange("fanout");
  const queueName = made.unused();
  const error = await startError(connection, { queueName, exchange });
  assertInstanceOf(error, QueueNotFoundError);
  assertEquals(error.queue, queueName);
});

Deno.test("Consumer.start rejects with AccessRefusedError where another connection has the queue exclusively", async () => {
  await using made = await topology();
  await using connection = connectionForTest();
  const queueName = made.unused();
  await made.channel.assertQueue(queueName, { exclusive: true, durable: false });
  const error = await startError(connection, { queueName });
  assertInstanceOf(error, AccessRefusedError);
  assertEquals([error.code, error.queue, error.replyCode], ["ACCESS_REFUSED", queueName, 405]);
  assertStringIncludes(error.message, `Cannot use queue "${queueName}": another connection has it`);
});

Deno.test("Consumer.start rejects with AccessRefusedError where another consumer has the queue exclusively", async () => {
  await using made = await topology();
  await using connection = connectionForTest();
  const queueName = await made.queue();
  await made.channel.consume(queueName, () => {}, { exclusive: true });
  const error = await startError(connection, { queueName });
  assertInstanceOf(error, AccessRefusedError);
  assertStringIncludes(error.message, queueName);
});

Deno.test({
  name:
    "Consumer.start rejects with AccessRefusedError, which names what the user has no permission for",
  ignore: notOurs,
  fn: async () => {
    await using made = await topology();
    const queue = await made.queue();
    const exchange = await made.exchange("topic");
    const cases = [
      { deny: "read", options: { queueName: queue }, names: queue },
      { deny: "write", options: { queueName: queue, exchange }, names: queue },
      { deny: "read", options: { queueName: "", exchange }, names: exchange },
      { deny: "configure", options: { queueName: "" }, names: "amq.gen" },
    ];
    for (const { deny, options, names } of cases) {
      await using user = await brokerUser({ [deny]: "^$" });
      await using connection = connectionForTest(user.login);
      const error = await startError(connection, options);
      assertInstanceOf(error, AccessRefusedError);
      assertEquals([error.code, error.replyCode], ["ACCESS_REFUSED", 403]);
      assertStringIncludes(error.message, names);
      assertStringIncludes(error.message, `'${user.username}'`);
    }
  },
});

Deno.test({
  name: "Consumer.start that fails leaves no channel open, and its connection to others",
  ignore: notOurs,
  fn: async () => {
    await using made = await topology();
    const queue = await made.queue();
    const connectionName = made.unused();
    await using connection = connectionForTest({ connectionName });
    await startError(connection, { queueName: made.unused() });
    await startError(connection, { queueName: "", exchange: made.unused() });
    await eventually(
      "all channels are closed",
      async () => (await openAtBroker(connectionName)).channels === 0,
    );
    const task = notingTask();
    await new Consumer({ connection, queueName: queue, taskFunction: task }).start();
    await startError(connection, { queueName: made.unused() });
    await made.fill(queue, ["one"]);
    await task.waitFor(1);
    const open = await openAtBroker(connectionName);
    assertEquals([open.connections.length, open.channels], [1, 1]);
    await connection.close();
    await eventually(
      "the connection is closed",
      async () => (await openAtBroker(connectionName)).connections.length === 0,
    );
  },
});
