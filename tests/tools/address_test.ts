import { assertEquals, assertThrows } from "@std/assert";
import { guestAt, namedAccount, variablesOf } from "../../tools/broker/address.ts";

Deno.test("namedAccount is undefined where nobody named a broker", () => {
  assertEquals(namedAccount({}), undefined);
  assertEquals(namedAccount({ RABBITMQ_PORT: "5673" }), undefined);
});

Deno.test("namedAccount reads the parts", () => {
  assertEquals(
    namedAccount({
      RABBITMQ_HOST: "rabbit.example",
      RABBITMQ_PORT: "tcp://10.0.0.1:5673",
      RABBITMQ_USERNAME: "u/1",
      RABBITMQ_PASSWORD: "p@1",
      RABBITMQ_VHOST: "v",
    }),
    {
      url: "amqp://u%2F1:p%401@rabbit.example:5673/v",
      hostname: "rabbit.example",
      port: 5673,
      username: "u/1",
      password: "p@1",
      vhost: "v",
    },
  );
  assertEquals(namedAccount({ RABBITMQ_HOST: "localhost" }), guestAt(5672));
});

Deno.test("namedAccount lets a URL win over the parts", () => {
  const url = "amqps://u:p%401@[::1]/a%2Fb";
  assertEquals(namedAccount({ RABBITMQ_URL: url, RABBITMQ_HOST: "other" }), {
    url,
    hostname: "::1",
    port: 5671,
    username: "u",
    password: "p@1",
    vhost: "a/b",
  });
});

Deno.test("namedAccount refuses what is no port or no URL, without showing the URL", () => {
  for (const port of ["0", "65536", "x"]) {
    assertThrows(
      () => namedAccount({ RABBITMQ_HOST: "h", RABBITMQ_PORT: port }),
      Error,
      `"${port}"`,
    );
  }
  const error = assertThrows(() => namedAccount({ RABBITMQ_URL: "http://u:secret@h" }), Error);
  assertEquals(error.message.includes("secret"), false);
});

Deno.test("variablesOf leads a program to the same account", () => {
  const account = guestAt(5673);
  assertEquals(namedAccount(variablesOf(account)), account);
  const url = "amqps://u:p@h:5671/v";
  assertEquals(variablesOf(namedAccount({ RABBITMQ_URL: url })!), { RABBITMQ_URL: url });
});
