/** One connection for each role, shared, kept and closed. */

import { assert, assertEquals } from "@std/assert";
import { Connection, Consumer, MessageStatus, Publisher } from "../../mod.ts";
import { broker, connectionForTest, evaluate, notOurs, openAtBroker } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { program } from "../support/program.ts";
import { startProxy } from "../support/proxy.ts";
import { topology } from "../support/topology.ts";
import { brokerUser } from "../support/users.ts";
import { onlyVariables } from "../support/variables.ts";

let lastName = 0;
const uniqueName = () => `connection-test.${Deno.pid}.${++lastName}`;

async function untilClosed(connectionName: string): Promise<void> {
  await eventually(
    `the broker sees no connection "${connectionName}" any more`,
    async () => (await openAtBroker(connectionName)).connections.length === 0,
  );
}

Deno.test({
  name: "Connection opens nothing before its first user starts, and one connection for each role",
  ignore: notOurs,
  fn: async () => {
    await using made = await topology();
    const queueName = await made.queue();
    const connectionName = uniqueName();
    await using connection = connectionForTest({ connectionName });
    const publisher = new Publisher({ connection });
    const consumer = new Consumer({
      connection,
      queueName,
      taskFunction: () => MessageStatus.SUCCESS,
    });
    assertEquals((await openAtBroker(connectionName)).connections, []);
    await publisher.start();
    assertEquals((await openAtBroker(connectionName)).connections.length, 1);
    await consumer.start();
    const open = await openAtBroker(connectionName);
    assertEquals([open.connections.length, open.channels], [2, 2]);
    await connection.close();
    await untilClosed(connectionName);
  },
});

Deno.test({
  name: "50 consumers and 10 publishers share two connections with 60 channels",
  ignore: notOurs,
  fn: async () => {
    await using made = await topology();
    const queueName = await made.queue();
    const connectionName = uniqueName();
    await using connection = connectionForTest({ connectionName });
    const seen = new Set<string>();
    const all = Promise.withResolvers<void>();
    const consumers = Array.from({ length: 50 }, () =>
      new Consumer({
        connection,
        queueName,
        taskFunction: (message) => {
          seen.add(message.text());
          if (seen.size === 100) all.resolve();
          return MessageStatus.SUCCESS;
        },
      }));
    const publishers = Array.from({ length: 10 }, () => new Publisher({ connection }));
    await Promise.all([...consumers, ...publishers].map((user) => user.start()));
    const open = await openAtBroker(connectionName);
    assertEquals([open.connections.length, open.channels], [2, 60]);
    const sends = publishers.flatMap((publisher, index) =>
      Array.from(
        { length: 10 },
        (_, number) => publisher.sendMessageToQueue({ queueName, body: `${index}:${number}` }),
      )
    );
    await Promise.all(sends);
    await all.promise;
    await Promise.all(consumers.slice(0, 25).map((consumer) => consumer.stop()));
    await eventually(
      "the channels of stopped consumers are closed",
      async () => (await openAtBroker(connectionName)).channels === 35,
    );
    assertEquals((await openAtBroker(connectionName)).connections.length, 2);
    await connection.close();
    await untilClosed(connectionName);
  },
});

Deno.test({
  name: "Connection lingers, so that start and stop in turn use the same one",
  ignore: notOurs,
  fn: async () => {
    await using made = await topology();
    const queueName = await made.queue();
    const connectionName = uniqueName();
    await using connection = connectionForTest({ connectionName });
    const processIds = new Set<string>();
    for (let round = 0; round < 5; round++) {
      const publisher = new Publisher({ connection });
      await publisher.start();
      await publisher.sendMessageToQueue({ queueName, body: "" });
      for (const id of (await openAtBroker(connectionName)).connections) processIds.add(id);
      await publisher.stop();
    }
    assertEquals(processIds.size, 1);
    assertEquals((await openAtBroker(connectionName)).connections, [...processIds]);
  },
});

Deno.test("Connection closes by itself when its last user has been gone for a while", async () => {
  await using proxy = startProxy();
  const connection = connectionForTest({ hostname: proxy.hostname, port: proxy.port });
  const publisher = new Publisher({ connection });
  await publisher.start();
  await publisher.stop();
  assertEquals(proxy.open, 1);
  await eventually("it is closed", () => proxy.open === 0);
});

Deno.test({
  name: "Connection shows its name and the library's to the broker, and no password",
  ignore: notOurs,
  fn: async () => {
    await using user = await brokerUser();
    await using connection = connectionForTest({ ...user.login, connectionName: uniqueName() });
    await new Publisher({ connection }).start();
    const about = (text: string) =>
      evaluate(`
        [Mine] = [Rest || [{user, <<"${user.username}">>} | Rest]
          <- rabbit_networking:connection_info_all([user, name, client_properties])],
        binary:match(iolist_to_binary(io_lib:format("~p", [Mine])), <<"${text}">>) =/= nomatch.
      `);
    assertEquals(await about("lapinmq"), "true");
    assertEquals(await about("Deno"), "true");
    assertEquals(await about("connection-test"), "true");
    assertEquals(await about(user.password), "false");
  },
});

Deno.test("Connection.close may be called at any time, many times, and with its users in any order (52)", async () => {
  await using made = await topology();
  const queueName = await made.queue();
  const connection = connectionForTest();
  await connection.close();
  await connection.close();
  const publisher = new Publisher({ connection });
  const consumer = new Consumer({
    connection,
    queueName,
    taskFunction: () => MessageStatus.SUCCESS,
  });
  await Promise.all([publisher.start(), consumer.start()]);
  await Promise.all([
    connection.close(),
    publisher.stop(),
    connection.close(),
    consumer.stop(),
    publisher.stop(),
  ]);
  await connection.close();
  await publisher.stop();
  await consumer.stop();
  await connection[Symbol.asyncDispose]();
});

Deno.test("Connection.close while a start is under way ends both", async () => {
  for (const turns of [0, 1, 3, 10, 30]) {
    const connection = connectionForTest();
    const publisher = new Publisher({ connection });
    const starting = Promise.allSettled([publisher.start()]);
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setTimeout(resolve));
    await connection.close();
    await starting;
    assertEquals(publisher.health().status, "down");
  }
});

Deno.test("Connection can be used again after close", async () => {
  await using made = await topology();
  const queueName = await made.queue();
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  for (let round = 0; round < 3; round++) {
    await publisher.start();
    await publisher.sendMessageToQueue({ queueName, body: "" });
    await connection.close();
    assertEquals(publisher.health().status, "down");
  }
  assertEquals(await made.count(queueName), 3);
});

Deno.test("Connection is an AsyncDisposable that stops its users", async () => {
  await using made = await topology();
  const queueName = await made.queue();
  let sending: Promise<void>;
  {
    await using connection = connectionForTest();
    const publisher = new Publisher({ connection });
    await publisher.start();
    sending = publisher.sendMessageToQueue({ queueName, body: "" });
  }
  await sending;
  await made.waitForCount(queueName, 1);
});

Deno.test({
  name: "Connection.default is shared by all that are given none",
  ignore: notOurs,
  fn: async () => {
    await using made = await topology();
    const queueName = await made.queue();
    await using user = await brokerUser();
    using _ = onlyVariables({ RABBITMQ_URL: user.url });
    const publishers = Array.from({ length: 3 }, () => new Publisher());
    const consumers = Array.from(
      { length: 4 },
      () => new Consumer({ queueName, taskFunction: () => MessageStatus.SUCCESS }),
    );
    try {
      for (const one of [...publishers, ...consumers]) {
        assert(one.connection === Connection.default);
        await one.start();
      }
      await publishers[0].sendMessageToQueue({ queueName, body: "" });
      assertEquals(await user.countConnections(), 2);
    } finally {
      await Connection.default.close();
    }
    await eventually("both are closed", async () => await user.countConnections() === 0);
  },
});

Deno.test({
  name:
    "Connection is shown by the broker with the file and process of its program, which needs no permission",
  ignore: notOurs,
  fn: async () => {
    const source = `
      import { Connection, Publisher } from "@lapinmq/lapinmq";
      const connection = new Connection({ url: ${JSON.stringify(broker.url)} });
      const publisher = new Publisher({ connection });
      await publisher.start();
      console.log("file", import.meta.url.split("/").at(-1), Deno.pid, "started");`;
    const flags = [`--allow-net=${broker.hostname}:${broker.port}`];
    await using running = await program(source, { flags });
    await running.waitFor("started\n");
    const [, file, pid] = running.output.stdout.split(" ");
    assertEquals((await openAtBroker(`lapinmq ${file} ${pid}`)).connections.length, 1);
  },
});
