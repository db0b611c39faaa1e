import { assertEquals, assertStrictEquals } from "@std/assert";
import { Secrets } from "../../src/amqp/secrets.ts";
import { ConnectionError } from "../../src/errors.ts";
import { assertNoSecret } from "../support/secrets.ts";

Deno.test("Secrets masks a password wherever it stands, also as in a URL and in base 64", () => {
  for (const password of ["s3cret-Passw0rd", "a+b$c^d.e|f", "Grüße, % @ :", "$&$1"]) {
    const secrets = new Secrets(["user"], password);
    const forms = [password, encodeURIComponent(password)];
    assertEquals(secrets.masked(`user ${forms.join(" ")} user`), "user *** *** user");
    assertNoSecret("s3cret-Passw0rd", secrets.masked(btoa("s3cret-Passw0rd")).replace(/^c.*/, ""));
  }
  const secrets = new Secrets([], "s3cret-Passw0rd");
  assertEquals(secrets.masked(`(${btoa("s3cret-Passw0rd")})`), "(***)");
});

Deno.test("Secrets masks a short password as a word alone, and none that is shown anyhow", () => {
  assertEquals(
    new Secrets([], "no").masked("no queue 'no' is known, no"),
    "*** queue '***' is known, ***",
  );
  assertEquals(new Secrets(["guest"], "guest").masked("user 'guest'"), "user 'guest'");
  assertEquals(new Secrets([], "").masked("text"), "text");
});

Deno.test("Secrets masks a password that was added", () => {
  const secrets = new Secrets([], "the-first-one");
  secrets.add("the-second-one");
  assertEquals(secrets.masked("the-first-one the-second-one"), "*** ***");
});

Deno.test("Secrets masks an error with its stack, its causes and its properties", () => {
  const password = "s3cret-Passw0rd";
  const secrets = new Secrets([], password);
  const error = Object.assign(new Error(`a ${password}`, { cause: new Error(password) }), {
    note: password,
    code: 403,
  });
  const masked = secrets.maskedIn(error) as Error & { code: number };
  assertNoSecret(password, masked);
  assertEquals([masked.message, masked.code], ["a ***", 403]);
  const ours = new ConnectionError("told");
  assertStrictEquals(secrets.maskedIn(ours), ours);
});
