import { assertEquals } from "@std/assert";
import { Publisher } from "../../mod.ts";
import { broker, connectionForTest, evaluate, notOurs, openAtBroker } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { topology } from "../support/topology.ts";
import { brokerUser } from "../support/users.ts";

Deno.test({
  name: "Connection logs in again with the password that holds by then",
  ignore: notOurs,
  fn: async () => {
    await using made = await topology();
    const queue = await made.queue();
    await using user = await brokerUser();
    const { hostname, port, username, vhost } = user.login;
    let password = user.password;
    await using connection = connectionForTest({
      hostname,
      port,
      vhost,
      credentials: () => Promise.resolve({ username, password }),
    });
    const publisher = new Publisher({ connection });
    await publisher.start();
    await publisher.sendMessageToQueue({ queueName: queue, body: "before" });
    password = "rotated";
    await evaluate(
      `rabbit_auth_backend_internal:change_password(<<"${username}">>, <<"rotated">>, <<"test">>).`,
    );
    await evaluate(
      `[rabbit_networking:close_connection(Pid, "rotated") || [{pid, Pid}, {user, <<"${username}">>}]
        <- rabbit_networking:connection_info_all([pid, user])].`,
    );
    await eventually(
      "the connection is lost or back",
      async () => await user.countConnections() === 1,
    );
    await publisher.sendMessageToQueue({ queueName: queue, body: "after" });
    await made.waitForCount(queue, 2);
  },
});

Deno.test({
  name: "Connection renews an expiring password without losing the connection",
  ignore: notOurs,
  fn: async () => {
    const connectionName = `renews.${Deno.pid}`;
    let asked = 0;
    const { hostname, port, username, password, vhost } = broker;
    await using connection = connectionForTest({
      hostname,
      port,
      vhost,
      connectionName,
      credentials: () => {
        asked++;
        return { username, password, expiresAt: new Date(Date.now() + 1_000) };
      },
    });
    const problems: unknown[] = [];
    connection.addEventListener("error", ({ detail }) => problems.push(detail));
    const publisher = new Publisher({ connection });
    await publisher.start();
    const before = await openAtBroker(connectionName);
    await eventually("it asked for more", () => asked >= 3);
    assertEquals(await openAtBroker(connectionName), before);
    assertEquals(problems, []);
  },
});
