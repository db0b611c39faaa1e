import { assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import { ConfigurationError, Connection, ConnectionError } from "../mod.ts";
import { askForCredentials, type Credentials, renewalDelay } from "../src/credentials.ts";
import { eventually } from "./support/eventually.ts";
import { ScriptedLink } from "./support/scripted_driver.ts";

const NOW = Date.UTC(2026, 0, 1);

Deno.test("renewalDelay leaves a fifth of the time", () => {
  assertEquals(renewalDelay(new Date(NOW + 100_000), NOW), 80_000);
});

Deno.test("renewalDelay neither spins nor overflows a timer", () => {
  assertEquals(renewalDelay(new Date(NOW - 100_000), NOW), 1_000);
  assertEquals(renewalDelay(new Date(NOW + 1e12), NOW), 2_147_483_647);
});

Deno.test("askForCredentials refuses what cannot log in, and never shows it", async () => {
  const bad: unknown[] = [
    undefined,
    { username: "user" },
    { username: 7, password: "hidden" },
    { username: "user", password: "hid\0den" },
    { username: "user", password: "hidden", expiresAt: "tomorrow" },
    { username: "user", password: "hidden", expiresAt: new Date(NaN) },
  ];
  for (const answer of bad) {
    const error = await assertRejects(() => askForCredentials(() => answer as Credentials, 1_000));
    assertInstanceOf(error, ConnectionError);
    assertEquals(error.code, "CREDENTIALS");
    assertEquals(/hid/.test(Deno.inspect(error)), false);
  }
});

Deno.test("askForCredentials says why the function failed, and does not wait for ever", async () => {
  const thrown = await assertRejects(() =>
    askForCredentials(() => {
      throw new Error("the vault is sealed");
    }, 1_000)
  );
  assertStringIncludes((thrown as Error).message, "the vault is sealed");
  const hung = await assertRejects(() => askForCredentials(() => new Promise(() => {}), 20));
  assertStringIncludes((hung as Error).message, "20 ms");
});

Deno.test("Link asks for credentials before every attempt to connect", async () => {
  let asked = 0;
  const credentials = () => ({ username: "user", password: `password ${++asked}` });
  await using link = new ScriptedLink({}, { credentials });
  link.retain();
  await link.whenOpen(new AbortController().signal, true);
  link.driver.connection.lose();
  await eventually("it is open again", () => link.driver.connections.length === 2);
  assertEquals(link.driver.connections.map(({ target }) => target.endpoint.password), [
    "password 1",
    "password 2",
  ]);
});

Deno.test("Link renews a password that expires, also after a renewal failed", async () => {
  let asked = 0;
  const credentials = () => ({
    username: "user",
    password: `password ${++asked}`,
    expiresAt: new Date(Date.now() + 1_000),
  });
  let refusals = 0;
  await using link = new ScriptedLink({
    updateSecret: () => {
      if (++refusals === 1) throw new ConnectionError("not yet");
    },
  }, { credentials });
  const failures: string[] = [];
  link.observe({ renewalFailed: (error) => failures.push(error.message) });
  link.retain();
  await link.whenOpen(new AbortController().signal, true);
  await eventually("it was renewed", () => link.driver.connection.secrets.length > 0);
  assertEquals(link.driver.connection.secrets[0], "password 3");
  assertEquals(failures, ["not yet"]);
  assertEquals(link.driver.connections.length, 1);
});

Deno.test("Connection refuses a password beside credentials, and what is no function", () => {
  const credentials = () => ({ username: "user", password: "hidden" });
  for (const options of [{ credentials, password: "hidden" }, { credentials, username: "user" }]) {
    let error: unknown;
    try {
      new Connection(options);
    } catch (thrown) {
      error = thrown;
    }
    assertInstanceOf(error, ConfigurationError);
    assertStringIncludes(error.message, `together with "credentials"`);
  }
});
