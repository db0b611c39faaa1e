/** What the parameters of a URL ask of the broker, and addresses in their several forms. */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ConnectionError, Publisher } from "../../mod.ts";
import { amqplibDriver } from "../../src/amqp/amqplib_driver.ts";
import { loopbacks } from "../../tools/broker/ports.ts";
import { broker, connectionForTest, evaluate, notOurs } from "../support/broker.ts";
import { fakeServer } from "../support/fake_server.ts";
import { startProxy } from "../support/proxy.ts";
import { onlyVariables } from "../support/variables.ts";
import { Connection } from "../../mod.ts";

function urlAt(port: number, query = "", hostname = "127.0.0.1"): string {
  const { username, password, vhost } = broker;
  return `amqp://${username}:${encodeURIComponent(password)}@${hostname}:${port}/${
    encodeURIComponent(vhost)
  }?${query}`;
}

/** What was agreed on with the broker: `[channelMax, frameMax, heartbeat]`. */
async function agreed(connectionName: string): Promise<number[]> {
  const answer = await evaluate(`
    [Mine] = [[ChannelMax, FrameMax, Heartbeat] || [{client_properties, Properties},
      {channel_max, ChannelMax}, {frame_max, FrameMax}, {timeout, Heartbeat}]
      <- rabbit_networking:connection_info_all([client_properties, channel_max, frame_max, timeout]),
      lists:member({<<"connection_name">>, longstr, <<"${connectionName}">>}, Properties)],
    lists:flatten(io_lib:format("~w", [Mine])).
  `);
  return JSON.parse(JSON.parse(answer));
}

Deno.test({
  name: "URL parameters are agreed on with the broker, each URL's own",
  ignore: notOurs,
  fn: async () => {
    await using closed = startProxy();
    closed.refuse();
    const first = urlAt(closed.port, "heartbeat=7&channel_max=3");
    const cases: [url: string[], heartbeatSeconds: number | undefined, expected: number[]][] = [
      [[urlAt(broker.port, "channel_max=5&frame_max=8192&heartbeat=9")], undefined, [5, 8192, 9]],
      [[first, urlAt(broker.port, "heartbeat=8")], undefined, [2047, 131072, 8]],
      [[first, urlAt(broker.port)], undefined, [2047, 131072, 10]],
      [[urlAt(broker.port, "heartbeat=9")], 11, [2047, 131072, 11]],
    ];
    for (const [index, [url, heartbeatSeconds, expected]] of cases.entries()) {
      const connectionName = `url-parameters.${Deno.pid}.${index}`;
      await using connection = connectionForTest({ url, heartbeatSeconds, connectionName });
      await new Publisher({ connection }).start();
      assertEquals(await agreed(connectionName), expected);
    }
  },
});

Deno.test("connection_timeout limits one attempt", async () => {
  await using silent = fakeServer(() => {});
  await using connection = connectionForTest({
    url: urlAt(silent.port, "connection_timeout=100"),
    startTimeoutMs: 1_000,
  });
  const error = await assertRejects(() => new Publisher({ connection }).start(), ConnectionError);
  assertStringIncludes(error.message, "did not answer within 100 ms");
});

Deno.test({
  name: "Connection takes an IPv6 address in brackets, and in RABBITMQ_HOST",
  ignore: notOurs || !loopbacks().includes("::1"),
  fn: async () => {
    const { username, password, vhost, port } = broker;
    await using connection = connectionForTest({
      hostname: "[::1]",
      port,
      username,
      password,
      vhost,
    });
    await new Publisher({ connection }).start();
    using _ = onlyVariables({
      RABBITMQ_HOST: "[::1]",
      RABBITMQ_PORT: `${port}`,
      RABBITMQ_USERNAME: username,
      RABBITMQ_PASSWORD: password,
      RABBITMQ_VHOST: vhost,
    });
    await using ofEnvironment = new Connection({ logger: null });
    await new Publisher({ connection: ofEnvironment }).start();
  },
});

Deno.test("Connection goes on to the second node of RABBITMQ_URL", async () => {
  await using closed = startProxy();
  closed.refuse();
  using _ = onlyVariables({ RABBITMQ_URL: `${urlAt(closed.port)},${urlAt(broker.port)}` });
  await using connection = new Connection({ logger: null });
  const ports: number[] = [];
  connection.addEventListener("connected", ({ detail }) => ports.push(detail.port));
  await new Publisher({ connection }).start();
  assertEquals(ports, [broker.port]);
});

Deno.test({
  name: "a connection knows the heartbeat that was agreed on, where the broker wants a shorter one",
  ignore: notOurs,
  fn: async () => {
    const before = await evaluate(
      "{ok, Seconds} = application:get_env(rabbit, heartbeat), Seconds.",
    );
    await evaluate("application:set_env(rabbit, heartbeat, 7).");
    try {
      const { hostname, port, username, password, vhost } = broker;
      const connection = await amqplibDriver.connect(
        {
          endpoint: { hostname, port, username, password, vhost, tls: undefined },
          heartbeatSeconds: 60,
          timeoutMs: 10_000,
          connectionName: undefined,
        },
        { closed() {}, blocked() {}, unblocked() {} },
        new AbortController().signal,
      );
      assertEquals(connection.heartbeatSeconds, 7);
      await connection.close(10_000);
    } finally {
      await evaluate(`application:set_env(rabbit, heartbeat, ${before}).`);
    }
  },
});
