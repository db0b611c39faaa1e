/** The broker refuses connections and channels that it will take later, or never. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ChannelError, type Connection, ConnectionError, Consumer, Publisher } from "../../mod.ts";
import { connectionForTest, isVersion4 } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { noNodes, type PrivateNode, privateNodes } from "../support/nodes.ts";
import { declareQueue } from "../support/on_channel.ts";
import { collector, numbers, QUICK, sendNumbers } from "./support.ts";

const nodes = privateNodes(1);
const ignore = noNodes;

/** A user and a virtual host for one test. */
async function account(node: PrivateNode, name: string) {
  const [all, acting] = [`<<".*">>, <<".*">>, <<".*">>`, `<<"test">>`];
  await node.evaluate(`rabbit_vhost:add(<<"${name}">>, ${acting}).`);
  await node.evaluate(
    `rabbit_auth_backend_internal:add_user(<<"${name}">>, <<"password">>, ${acting}), ` +
      `rabbit_auth_backend_internal:set_permissions(<<"${name}">>, <<"${name}">>, ${all}, ${acting}).`,
  );
  const { hostname, port } = node;
  return { hostname, port, username: name, password: "password", vhost: name };
}

interface Refusal {
  readonly what: string;
  readonly code: string;
  readonly says: string;
  readonly skip?: boolean;
  begin(node: PrivateNode, name: string): Promise<unknown>;
  end(node: PrivateNode, name: string): Promise<unknown>;
}

async function limitUser(node: PrivateNode, user: string, limit: string, count: number) {
  await node.evaluate(
    `rabbit_auth_backend_internal:set_user_limits(<<"${user}">>, ` +
      `#{<<"${limit}">> => ${count}}, <<"test">>).`,
  );
}

async function freeUser(node: PrivateNode, user: string) {
  await node.evaluate(
    `rabbit_auth_backend_internal:clear_user_limits(<<"${user}">>, <<"all">>, <<"test">>).`,
  );
}

const REFUSALS: Refusal[] = [
  {
    what: "connection limit of the virtual host",
    code: "CONNECTION_LIMIT",
    says: "connection limit (0) is reached",
    begin: (node, name) =>
      node.evaluate(
        `rabbit_vhost_limit:set(<<"${name}">>, [{<<"max-connections">>, 0}], <<"test">>).`,
      ),
    end: (node, name) => node.evaluate(`rabbit_vhost_limit:clear(<<"${name}">>, <<"test">>).`),
  },
  {
    what: "connection limit of the user",
    code: "CONNECTION_LIMIT",
    says: "user connection limit (0) is reached",
    begin: (node, name) => limitUser(node, name, "max-connections", 0),
    end: freeUser,
  },
  {
    what: "connection limit of the node",
    code: "CONNECTION_LIMIT",
    says: "node connection limit (0) is reached",
    skip: !isVersion4,
    begin: (node) => node.evaluate("application:set_env(rabbit, connection_max, 0)."),
    end: (node) => node.evaluate("application:set_env(rabbit, connection_max, infinity)."),
  },
  {
    what: "virtual host that is down",
    code: "CONNECTION",
    says: "is down",
    begin: (node, name) =>
      node.evaluate(`rabbit_vhost_sup_sup:delete_on_all_nodes(<<"${name}">>).`),
    end: (node, name) => node.evaluate(`rabbit_vhost_sup_sup:start_vhost(<<"${name}">>).`),
  },
];

for (const { what, code, says, skip, begin, end } of REFUSALS) {
  Deno.test({
    name: `71 ${what}: start() waits for it to pass, and says so in the broker's own words`,
    ignore: ignore || skip,
    fn: async () => {
      const [node] = nodes;
      const name = `refused-${what.replaceAll(" ", "-")}`;
      const login = await account(node, name);
      await using connection = connectionForTest({
        ...login,
        reconnect: QUICK,
        startTimeoutMs: 600_000,
      });
      const causes: Error[] = [];
      connection.addEventListener("reconnecting", ({ detail }) => causes.push(detail.cause));
      const publisher = new Publisher({ connection });
      await begin(node, name);
      const starting = publisher.start();
      starting.catch(() => {});
      try {
        await eventually("it was tried again", () => causes.length >= 2);
        for (const cause of causes) {
          assertEquals([cause instanceof ConnectionError, (cause as ConnectionError).code], [
            true,
            code,
          ]);
          assertStringIncludes(cause.message, says);
        }
        assertStringIncludes(publisher.health().reason!, says);
      } finally {
        await end(node, name);
      }
      await starting;
      assertEquals(publisher.health().status, "up");
    },
  });
}

Deno.test({
  name: "71 a virtual host that is missing, or closed to the user, fails at once as ever",
  ignore,
  fn: async () => {
    const [node] = nodes;
    const login = await account(node, "': connection limit (0) is reached");
    await node.evaluate(`rabbit_vhost:add(<<"closed">>, <<"test">>).`);
    for (const vhost of ["missing", "x".repeat(250), "closed"]) {
      await using connection = connectionForTest({ ...login, vhost });
      const error = await assertRejects(
        () => new Publisher({ connection }).start(),
        ConnectionError,
      );
      assertEquals(error.code, "VHOST");
    }
  },
});

/** Starts consumers one after the other, and counts how often the connection is lost. */
async function startConsumers(connection: Connection, queueName: string, count: number) {
  const task = collector();
  const make = () => new Consumer({ connection, queueName, taskFunction: task });
  const consumers = numbers(0, count).map(make);
  for (const consumer of consumers) await consumer.start();
  const losses: Error[] = [];
  connection.addEventListener("disconnected", ({ detail }) => losses.push(detail.cause));
  connection.addEventListener("reconnecting", () => {});
  return { task, make, consumers, losses };
}

Deno.test({
  name: "73 the user's channel limit: the extra consumer fails, and its neighbours live",
  ignore,
  fn: async () => {
    const [node] = nodes;
    const name = "channels";
    const login = await account(node, name);
    const url = `amqp://${name}:password@${login.hostname}:${login.port}/${name}`;
    const queue = await declareQueue(url);
    await using sending = connectionForTest({ url });
    const publisher = new Publisher({ connection: sending });
    await publisher.start();
    await using connection = connectionForTest({ ...login, reconnect: QUICK });
    const { task, make, consumers, losses } = await startConsumers(connection, queue, 3);
    // One more for the publisher.
    await limitUser(node, name, "max-channels", 4);
    const error = await assertRejects(() => make().start(), ChannelError);
    assertEquals(error.code, "CHANNEL_LIMIT");
    assertStringIncludes(error.message, "max-channels");
    await eventually(
      "the neighbours are back",
      () => consumers.every((consumer) => consumer.health().status === "up"),
    );
    assert(losses.length <= 2, `they were knocked off ${losses.length} times`);
    await Promise.all(sendNumbers(publisher, queue, 0, 50));
    await task.waitForAll(50);
  },
});

/** Closes the connections of a user that consume, as an operator does. */
async function closeConsuming(node: PrivateNode, user: string): Promise<void> {
  await node.evaluate(
    `[rabbit_networking:close_connection(Pid, "test") || ` +
      `Pid <- lists:usort([proplists:get_value(connection, Channel) || ` +
      `Channel <- rabbit_channel:info_all([connection, user, consumer_count]), ` +
      `proplists:get_value(user, Channel) =:= <<"${user}">>, ` +
      `proplists:get_value(consumer_count, Channel) > 0])], ok.`,
  );
}

Deno.test({
  name: "73 the user's channel limit, lowered while all run: after a loss one fails alone",
  ignore,
  fn: async () => {
    const [node] = nodes;
    const name = "lowered";
    const login = await account(node, name);
    const url = `amqp://${name}:password@${login.hostname}:${login.port}/${name}`;
    const queue = await declareQueue(url);
    await using sending = connectionForTest({ url });
    const publisher = new Publisher({ connection: sending });
    await publisher.start();
    await using connection = connectionForTest({ ...login, reconnect: QUICK });
    const { task, consumers, losses } = await startConsumers(connection, queue, 4);
    const failures: Error[] = [];
    const resting = () => consumers.filter((consumer) => consumer.health().status !== "up");
    for (const consumer of consumers) {
      consumer.addEventListener("channellost", ({ detail }) => failures.push(detail.cause));
    }
    // One is the publisher's.
    await limitUser(node, name, "max-channels", 4);
    await closeConsuming(node, name);
    // The broker counts channels a little after it has opened them: it may let all of them in that
    // come in the same moment.
    await eventually("one is refused, and told so", async () => {
      if (resting().length === 0) await closeConsuming(node, name);
      return resting().length === 1 && resting()[0].health().reason?.includes("max-channels");
    });
    const [refused, lossesThen] = [resting()[0], losses.length];
    const failuresThen = failures.length;
    await eventually("it has tried again and again", () => failures.length >= failuresThen + 5);
    assertEquals(resting(), [refused]);
    assertEquals(losses.length, lossesThen, "it knocks its neighbours off");
    await Promise.all(sendNumbers(publisher, queue, 0, 50));
    await task.waitForAll(50);
    await freeUser(node, name);
    await eventually("it is back, too", () => resting().length === 0);
    assertEquals(losses.length, lossesThen);
  },
});
