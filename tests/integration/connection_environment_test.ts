/** Where the broker's address and login come from. */

import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { AuthenticationError, ConfigurationError, Connection, Publisher } from "../../mod.ts";
import { broker, notOurs } from "../support/broker.ts";
import { assertNoSecret } from "../support/secrets.ts";
import { startProxy } from "../support/proxy.ts";
import { brokerUser } from "../support/users.ts";
import { onlyVariables } from "../support/variables.ts";

const { hostname, port, username, password, vhost } = broker;
const LOGIN = {
  RABBITMQ_USERNAME: username,
  RABBITMQ_PASSWORD: password,
  RABBITMQ_VHOST: vhost,
};

/** Where a connection that is made now connects to. */
async function connectsTo(connection: Connection): Promise<string> {
  await using _ = connection;
  let address = "";
  connection.addEventListener("connected", ({ detail }) => {
    address = `${detail.hostname}:${detail.port}`;
  });
  await new Publisher({ connection }).start();
  return address;
}

Deno.test({
  name: "Connection reads RABBITMQ_HOST, _PORT, _USERNAME, _PASSWORD and _VHOST",
  ignore: notOurs,
  fn: async () => {
    await using user = await brokerUser();
    using _ = onlyVariables({
      RABBITMQ_HOST: hostname,
      RABBITMQ_PORT: `${port}`,
      RABBITMQ_USERNAME: user.username,
      RABBITMQ_PASSWORD: user.password,
      RABBITMQ_VHOST: vhost,
    });
    await using connection = new Connection({ logger: null });
    const publisher = new Publisher({ connection });
    await publisher.start();
    assertEquals(await user.countConnections(), 1);
    await publisher.stop();
  },
});

Deno.test("Connection names the virtual host of RABBITMQ_VHOST where it is refused", async () => {
  using _ = onlyVariables({
    ...LOGIN,
    RABBITMQ_HOST: hostname,
    RABBITMQ_PORT: `${port}`,
    RABBITMQ_VHOST: "of the environment",
  });
  const error = await assertRejects(
    () => connectsTo(new Connection({ logger: null })),
    AuthenticationError,
  );
  assertStringIncludes(error.message, `"of the environment"`);
});

Deno.test("Connection says where the port belongs that RABBITMQ_HOST holds", () => {
  using _ = onlyVariables({ ...LOGIN, RABBITMQ_HOST: `${hostname}:${port}` });
  assertThrows(() => new Connection(), ConfigurationError, "RABBITMQ_PORT");
});

Deno.test("Connection lets RABBITMQ_URL win over the other variables", async () => {
  using _ = onlyVariables({
    RABBITMQ_URL: broker.url,
    RABBITMQ_HOST: "no-such-host.invalid",
    RABBITMQ_PORT: "1",
    RABBITMQ_USERNAME: "nobody",
    RABBITMQ_PASSWORD: "wrong",
    RABBITMQ_VHOST: "none",
  });
  assertEquals(await connectsTo(new Connection({ logger: null })), `${hostname}:${port}`);
});

Deno.test("Connection lets its options win over the environment, one by one", async () => {
  await using proxy = startProxy();
  using _ = onlyVariables({ ...LOGIN, RABBITMQ_HOST: "no-such-host.invalid" });
  const options = { hostname: proxy.hostname, port: proxy.port, logger: null };
  const address = `${proxy.hostname}:${proxy.port}`;
  assertEquals(await connectsTo(new Connection(options)), address);
  using _url = onlyVariables({ ...LOGIN, RABBITMQ_URL: "amqp://no-such-host.invalid" });
  assertEquals(await connectsTo(new Connection(options)), address);
});

Deno.test("Connection accepts RABBITMQ_PORT=tcp://host:port, as Kubernetes sets it", async () => {
  using _ = onlyVariables({
    ...LOGIN,
    RABBITMQ_HOST: hostname,
    RABBITMQ_PORT: `tcp://10.0.0.1:${port}`,
  });
  assertEquals(await connectsTo(new Connection({ logger: null })), `${hostname}:${port}`);
});

Deno.test("Connection takes an empty variable for unset, and goes to localhost:5672 then", async () => {
  using _ = onlyVariables({
    RABBITMQ_URL: "",
    RABBITMQ_HOST: "",
    RABBITMQ_PORT: "",
    // Nobody is let in, whether or not somebody listens there.
    RABBITMQ_USERNAME: "no such user",
    RABBITMQ_PASSWORD: "",
    RABBITMQ_VHOST: "",
  });
  const connection = new Connection({ logger: null, startTimeoutMs: 1_000 });
  const error = await assertRejects(() => connectsTo(connection));
  assertStringIncludes((error as Error).message, "localhost:5672");
});

for (
  const value of [
    "abc",
    "0",
    "65536",
    "-1",
    "5672x",
    " 5672",
    "1e3",
    "0x1",
    "5672.5",
    "tcp://10.0.0.1",
    "tcp://10.0.0.1:99999",
    "udp://10.0.0.1:5672",
  ]
) {
  Deno.test(`Connection refuses RABBITMQ_PORT=${value}, and names it`, () => {
    using _ = onlyVariables({ RABBITMQ_PORT: value });
    const error = assertThrows(() => new Connection(), ConfigurationError);
    assertEquals(error.code, "CONFIGURATION");
    for (const part of ["RABBITMQ_PORT", JSON.stringify(value), "1 to 65535"]) {
      assertStringIncludes(error.message, part);
    }
  });
}

const SECRET = "s3cret";
const BAD_URLS: Record<string, string> = {
  [`http://user:${SECRET}@host`]: `"http:"`,
  [`user:${SECRET}@host:5672`]: "scheme",
  [`amqp://user:${SECRET}@host:99999`]: "port",
  [`amqp://user:${SECRET}@host:0`]: "port",
  [`amqp://user:${SECRET}@host/a/b`]: "%2F",
  [`amqp://user:${SECRET}#x@host`]: "not a URL",
  [`amqp://user:${SECRET}@host/v#x`]: "%23",
  [`amqp://user:${SECRET}%zz@host`]: "%",
  [`amqp://user:${SECRET}@host?frame_max=1`]: "frame_max",
  [`amqp://user:${SECRET}@host?frames=1`]: `"frames"`,
  [`amqp://user:${SECRET}@host?heartbeat=-1`]: "heartbeat",
  [`amqp://user:${SECRET}@host?heartbeat=0`]: "1 to 3600",
  [`amqp://user:${SECRET}@host?heartbeat=3601`]: "1 to 3600",
};

for (const [url, hint] of Object.entries(BAD_URLS)) {
  const shown = url.replace(SECRET, "…");
  Deno.test(`Connection refuses RABBITMQ_URL=${shown}, and does not show it (53)`, () => {
    using _ = onlyVariables({ RABBITMQ_URL: url });
    const error = assertThrows(() => new Connection(), ConfigurationError);
    assertStringIncludes(error.message, "RABBITMQ_URL");
    assertStringIncludes(error.message, hint);
    assertNoSecret(SECRET, error);
  });
  Deno.test(`Connection refuses the option url ${shown}, and does not show it (53)`, () => {
    const error = assertThrows(() => new Connection({ url }), ConfigurationError);
    assertStringIncludes(error.message, hint);
    assertNoSecret(SECRET, error);
  });
}
