import { assert, assertEquals, assertThrows } from "@std/assert";
import { type ConnectionOptions, resolveConnectionOptions } from "../src/connection_options.ts";
import { defaultConnectionName } from "../src/connection_name.ts";
import { ConfigurationError } from "../src/errors.ts";
import { assertNoSecret } from "./support/secrets.ts";
import { onlyVariables } from "./support/variables.ts";

/** Variables, named without `RABBITMQ_`. */
type Variables = Record<string, string>;

function resolve(options: ConnectionOptions = {}, variables: Variables = {}) {
  const named = Object.entries(variables).map(([name, value]) => [`RABBITMQ_${name}`, value]);
  using _ = onlyVariables(Object.fromEntries(named));
  return resolveConnectionOptions(options);
}

function endpoint(options: ConnectionOptions = {}, variables: Variables = {}) {
  return resolve(options, variables).endpoints[0];
}

const DEFAULT = {
  hostname: "localhost",
  port: 5672,
  username: "guest",
  password: "guest",
  vhost: "/",
  tls: undefined,
};

Deno.test("resolveConnectionOptions fills in the defaults", () => {
  const { log: _, ...resolved } = resolve();
  assertEquals(resolved, {
    endpoints: [DEFAULT],
    credentials: undefined,
    heartbeatSeconds: 10,
    connectTimeoutMs: 10_000,
    startTimeoutMs: 15_000,
    reconnect: { initialDelayMs: 100, maxDelayMs: 5_000 },
    connectionName: defaultConnectionName(),
  });
});

Deno.test("resolveConnectionOptions reads the environment, where no option is given", () => {
  const variables = { HOST: "h", PORT: "1", USERNAME: "u", PASSWORD: "p", VHOST: "v" };
  const expected = { hostname: "h", port: 1, username: "u", password: "p", vhost: "v" };
  assertEquals(endpoint({}, variables), { ...expected, tls: undefined });
  const options = { hostname: "H", port: 2, username: "U", password: "P", vhost: "V" };
  assertEquals(endpoint(options, variables), { ...options, tls: undefined });
});

Deno.test("resolveConnectionOptions takes empty variables for unset ones", () => {
  const variables = { URL: "", HOST: "", PORT: "", USERNAME: "", PASSWORD: "", VHOST: "" };
  assertEquals(endpoint({}, variables), DEFAULT);
});

Deno.test("resolveConnectionOptions takes the form of RABBITMQ_PORT that Kubernetes sets", () => {
  assertEquals(endpoint({}, { PORT: "tcp://10.0.0.1:5673" }).port, 5673);
  assertEquals(endpoint({}, { PORT: "tcp://[::1]:5673" }).port, 5673);
  for (const PORT of ["0", "65536", "-1", "5672x", "tcp://", "tcp://h", "1e3", "99999999", " 1"]) {
    assertThrows(() => endpoint({}, { PORT }), ConfigurationError, "RABBITMQ_PORT");
  }
});

Deno.test("resolveConnectionOptions prefers RABBITMQ_URL to the other variables, not to options", () => {
  const variables = { URL: "amqp://u:p@url:1/v", HOST: "host", PASSWORD: "other" };
  const expected = { hostname: "url", port: 1, username: "u", password: "p", vhost: "v" };
  assertEquals(endpoint({}, variables), { ...expected, tls: undefined });
  assertEquals(endpoint({ hostname: "option" }, variables).hostname, "option");
  assertEquals(endpoint({ url: "amqp://option" }, variables).hostname, "option");
});

Deno.test("resolveConnectionOptions reads URLs as the AMQP URI specification says", () => {
  const cases: [string, Partial<typeof DEFAULT>][] = [
    ["amqp://", {}],
    ["amqp://host", { hostname: "host" }],
    ["amqp://host:1234/", { hostname: "host", port: 1234 }],
    ["amqp://host/%2F", { hostname: "host", vhost: "/" }],
    ["amqp://host/a%2Fb", { hostname: "host", vhost: "a/b" }],
    ["amqp://u:p%40%3A%2F%23@host", { hostname: "host", username: "u", password: "p@:/#" }],
    ["amqp://u@host", { hostname: "host", username: "u", password: "" }],
    ["amqp://[::1]:1", { hostname: "::1", port: 1 }],
  ];
  for (const [url, expected] of cases) {
    assertEquals(endpoint({ url }), { ...DEFAULT, ...expected }, url);
  }
  assertEquals(endpoint({ url: "amqps://host" }).port, 5671);
  assertEquals(endpoint({ url: "amqps://host" }).tls, {});
  assertEquals(resolve({ url: "amqp://host?heartbeat=5" }).heartbeatSeconds, 5);
});

Deno.test("resolveConnectionOptions takes several URLs in their order", () => {
  const { endpoints } = resolve({ url: ["amqp://a", "amqp://b:1", "amqps://c"] });
  assertEquals(endpoints.map(({ hostname, port }) => [hostname, port]), [
    ["a", 5672],
    ["b", 1],
    ["c", 5671],
  ]);
});

const SECRET = "s3cret-Passw0rd";

Deno.test("resolveConnectionOptions refuses bad options, and shows no password", () => {
  const bad: Record<string, unknown>[] = [
    { url: `http://u:${SECRET}@host` },
    { url: `amqp://u:${SECRET}@host:99999` },
    { url: `amqp://u:${SECRET}@host:0` },
    { url: `amqp://u:${SECRET}@host/a/b` },
    { url: `amqp://u:${SECRET}@host/#x` },
    { url: `amqp://u:${SECRET}%@host` },
    { url: `amqp://u:${SECRET}@host?unknown=1` },
    { url: `amqp://u:${SECRET}@host?heartbeat=x` },
    { url: `amqp://u:${SECRET}@host?heartbeat=0` },
    { url: `//u:${SECRET}@host` },
    { url: [`amqp://u:${SECRET}@host`, `nonsense ${SECRET}`] },
    { url: [] },
    { url: 5 },
    { url: [5] },
    { url: `amqp://u:${SECRET}@host`, password: "other" },
    { url: `amqp://u:${SECRET}@host`, hostname: "host" },
    { url: `amqp://u:${SECRET}@host`, port: 1 },
    { url: `amqp://u:${SECRET}@host`, tls: true },
    { hostname: `amqp://u:${SECRET}@host` },
    { hostname: `u:${SECRET}@host` },
    { hostname: "host:5672" },
    { hostname: "[::1]:5672" },
    { hostname: "" },
    { port: 0 },
    { port: 65_536 },
    { port: "5672" },
    { username: 5 },
    { password: 5 },
    { password: `${SECRET}\0` },
    { password: null },
    { vhost: "" },
    { vhost: "x".repeat(256) },
    { tls: 1 },
    { tls: { caCerts: "one" } },
    { tls: { caCerts: [1] } },
    { tls: { serverName: "" } },
    { tls: { cert: "a certificate" } },
    { tls: { key: SECRET } },
    { tls: { unknown: 1 } },
    { heartbeatSeconds: 0 },
    { heartbeatSeconds: 3_601 },
    { heartbeatSeconds: 1.5 },
    { heartbeatSeconds: NaN },
    { connectTimeoutMs: 0 },
    { connectTimeoutMs: 2 ** 31 },
    { startTimeoutMs: -1 },
    { reconnect: 5 },
    { reconnect: { initialDelayMs: 0 } },
    { reconnect: { initialDelayMs: 10, maxDelayMs: 5 } },
    { reconnect: { unknown: 1 } },
    { connectionName: "" },
    { logger: {} },
    { logger: "console" },
    { unknown: 1 },
  ];
  for (const options of bad) {
    const error = assertThrows(
      () => resolve(options as ConnectionOptions),
      ConfigurationError,
      "Cannot use ",
      Deno.inspect(options),
    );
    assertNoSecret(SECRET, error);
  }
});

Deno.test("resolveConnectionOptions refuses bad variables by name, and shows no password", () => {
  const bad: Variables[] = [
    { URL: `http://u:${SECRET}@host` },
    { URL: `amqp://u:${SECRET}@host:x` },
    { HOST: `amqp://u:${SECRET}@host` },
    { HOST: "host:5672" },
    { PORT: `amqp://u:${SECRET}@host:1` },
    { VHOST: "x".repeat(256) },
  ];
  for (const variables of bad) {
    const error = assertThrows(() => resolve({}, variables), ConfigurationError);
    assert(error.message.includes(`RABBITMQ_${Object.keys(variables)[0]}`), error.message);
    assertNoSecret(SECRET, error);
  }
});

Deno.test("resolveConnectionOptions takes a token as long as those of OAuth 2 for a password", () => {
  const token = "x".repeat(5_000);
  assertEquals(endpoint({}, { PASSWORD: token }).password, token);
  assertEquals(endpoint({ password: token }).password, token);
});

Deno.test("resolveConnectionOptions fits the defaults of reconnect to what is given", () => {
  const delays = (reconnect: ConnectionOptions["reconnect"]) => resolve({ reconnect }).reconnect;
  assertEquals(delays({ initialDelayMs: 9_000 }), { initialDelayMs: 9_000, maxDelayMs: 9_000 });
  assertEquals(delays({ maxDelayMs: 50 }), { initialDelayMs: 50, maxDelayMs: 50 });
  assertEquals(delays({}), { initialDelayMs: 100, maxDelayMs: 5_000 });
});
