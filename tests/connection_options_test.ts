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
    dial: undefined,
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
  assertEquals(endpoint({ url: "amqp://host?heartbeat=5" }).heartbeatSeconds, 5);
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
const CERT = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const KEY = "-----BEGIN PRIVATE KEY-----\nBBBB\n-----END PRIVATE KEY-----\n";

Deno.test("resolveConnectionOptions takes the brackets off an IPv6 address", () => {
  for (const hostname of ["[::1]", "::1"]) {
    assertEquals(endpoint({ hostname }).hostname, "::1");
    assertEquals(endpoint({}, { HOST: hostname }).hostname, "::1");
  }
  assertEquals(endpoint({ hostname: "fe80::1%eth0" }).hostname, "fe80::1%eth0");
});

Deno.test("resolveConnectionOptions says how to name several nodes, or a unix socket", () => {
  const cases: [() => unknown, says: string][] = [
    [() => endpoint({ hostname: "a,b" }), `array in option "url"`],
    [() => endpoint({}, { HOST: "a,b" }), "RABBITMQ_URL"],
    [() => endpoint({ url: "amqp://a,b:1/" }), `array in the option "url"`],
    [() => endpoint({ url: "amqp://a,amqp://b" }), `array in the option "url"`],
    [() => endpoint({ url: "amqp://%2Frun%2Fsocket" }), `"dial"`],
    [() => endpoint({ hostname: "%2Frun%2Fsocket" }), `"dial"`],
  ];
  for (const [code, says] of cases) assertThrows(code, ConfigurationError, says);
});

Deno.test("resolveConnectionOptions takes several nodes from RABBITMQ_URL", () => {
  const names = (URL: string) => resolve({}, { URL }).endpoints.map(({ hostname }) => hostname);
  for (const between of [",", " ", "\n", ", ", " , "]) {
    assertEquals(names(`amqp://a${between}amqps://b:1/v${between}AMQP://c`), ["a", "b", "c"]);
  }
  assertEquals(names(" amqp://a \n"), ["a"]);
  const password = "p,q, amqp:x";
  const { endpoints } = resolve({}, { URL: `amqp://u:${password}@a/v,w,amqp://b/my vhost` });
  assertEquals(endpoints.map(({ password, vhost }) => [password, vhost]), [
    [password, "v,w"],
    ["guest", "my vhost"],
  ]);
});

Deno.test("resolveConnectionOptions gives each URL its own parameters, and an option wins over all", () => {
  const url = [
    "amqp://a?heartbeat=5&connection_timeout=2000&channel_max=7&frame_max=8192",
    "amqp://b?heartbeat=6&frame_max=0",
    "amqp://c",
  ];
  const parameters = (options: ConnectionOptions) =>
    resolve(options).endpoints.map((
      { heartbeatSeconds, connectTimeoutMs, channelMax, frameMaxBytes },
    ) => [heartbeatSeconds, connectTimeoutMs, channelMax, frameMaxBytes]);
  const none = undefined;
  assertEquals(parameters({ url }), [
    [5, 2000, 7, 8192],
    [6, none, none, 0],
    [none, none, none, none],
  ]);
  assertEquals(parameters({ url, heartbeatSeconds: 9, connectTimeoutMs: 1 }), [
    [none, none, 7, 8192],
    [none, none, none, 0],
    [none, none, none, none],
  ]);
});

Deno.test("resolveConnectionOptions takes the first mechanism that can be used", () => {
  const external = (query: string, tls?: ConnectionOptions["tls"]) =>
    endpoint({ url: `amqps://host?${query}`, tls }).external;
  const certificate = { cert: CERT, key: KEY };
  assertEquals(external("auth_mechanism=plain", certificate), undefined);
  assertEquals(external("auth_mechanism=External", certificate), true);
  assertEquals(external("auth_mechanism=PLAIN&auth_mechanism=external", certificate), undefined);
  assertEquals(external("auth_mechanism=external&auth_mechanism=plain", certificate), true);
  assertEquals(external("auth_mechanism=external&auth_mechanism=plain"), undefined);
  assertEquals(endpoint({ tls: certificate, authMechanism: "external" }).external, true);
});

Deno.test("resolveConnectionOptions reads the files that a URL names", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const [cert, key] = [`${folder}/my cert.pem`, `${folder}/key.pem`];
    await Deno.writeTextFile(cert, CERT);
    await Deno.writeTextFile(key, KEY);
    const names = `certfile=${encodeURIComponent(cert)}&keyfile=${key}`;
    const url = `amqps://host?${names}&cacertfile=${encodeURIComponent(cert)}&verify=verify_peer` +
      `&server_name_indication=other`;
    assertEquals(endpoint({ url }).tls, {
      caCerts: [CERT],
      cert: CERT,
      key: KEY,
      serverName: "other",
    });
    const twice = assertThrows(
      () => endpoint({ url, tls: { serverName: "third" } }),
      ConfigurationError,
    );
    assert(twice.message.includes(`"tls.serverName"`), twice.message);
    assertEquals(endpoint({ tls: { serverName: "third" } }, { URL: url }).tls, {
      ...endpoint({ url }).tls,
      serverName: "third",
    });
    const swapped = `amqps://host?certfile=${key}&keyfile=${encodeURIComponent(cert)}`;
    const error = assertThrows(() => endpoint({ url: swapped }), ConfigurationError);
    assert(error.message.includes(`file "${key}" of the parameter certfile`), error.message);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test({
  name: "resolveConnectionOptions refuses a file that may not be read, and asks nobody",
  permissions: { env: true, read: false },
  fn: () => {
    const error = assertThrows(
      () => endpoint({ url: "amqps://host?cacertfile=/etc/ca.pem" }),
      ConfigurationError,
    );
    assert(error.message.includes("--allow-read=/etc/ca.pem"), error.message);
  },
});

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
    { hostname: "a,b" },
    { hostname: "%2Frun%2Frabbitmq.sock" },
    { hostname: "[host]" },
    { url: `amqp://u:${SECRET}@a,b` },
    { url: `amqp://u:${SECRET}@a,amqp://b` },
    { url: `amqp://u:${SECRET}@ho%73t` },
    { url: `amqp://u:${SECRET}@host?cacertfile=/a.pem` },
    { url: `amqps://u:${SECRET}@host?cacertfile=/no/such/file.pem` },
    { url: `amqps://u:${SECRET}@host?certfile=/a.pem` },
    { url: `amqps://u:${SECRET}@host?verify=verify_none` },
    { url: `amqps://u:${SECRET}@host?verify=x` },
    { url: `amqps://u:${SECRET}@host?server_name_indication=disable` },
    { url: `amqp://u:${SECRET}@host?heartbeat=5&heartbeat=6` },
    { url: `amqp://u:${SECRET}@host?connection_timeout=0` },
    { url: `amqp://u:${SECRET}@host?connection_timeout=2147483648` },
    { url: `amqp://u:${SECRET}@host?channel_max=65536` },
    { url: `amqp://u:${SECRET}@host?frame_max=4095` },
    { url: `amqp://u:${SECRET}@host?auth_mechanism=amqplain` },
    { url: `amqp://u:${SECRET}@host?auth_mechanism=external` },
    { url: "amqp://host?auth_mechanism=plain", authMechanism: "plain" },
    { authMechanism: "external" },
    { authMechanism: "EXTERNAL" },
    { authMechanism: "external", tls: { cert: CERT, key: KEY }, password: SECRET },
    { authMechanism: "external", tls: { cert: CERT, key: KEY }, credentials: () => ({}) },
    { dial: "/run/rabbitmq.sock" },
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
    { tls: { cert: CERT } },
    { tls: { key: KEY } },
    { tls: { cert: "a certificate", key: SECRET } },
    { tls: { cert: CERT, key: SECRET } },
    { tls: { cert: KEY, key: CERT } },
    { tls: { caCerts: [CERT, SECRET] } },
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
