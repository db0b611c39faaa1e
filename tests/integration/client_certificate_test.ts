/** A broker that speaks TLS itself, and lets nobody in without a certificate of an authority that it trusts. */

import { assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import {
  AuthenticationError,
  ConnectionError,
  type ConnectionOptions,
  Consumer,
  MessageStatus,
  Publisher,
} from "../../mod.ts";
import { connectionForTest } from "../support/broker.ts";
import { makeCertificate } from "../support/certificates.ts";
import { declareQueue, takeBodies } from "../support/on_channel.ts";
import { assertNoSecret } from "../support/secrets.ts";
import { CLIENT_NAME, noTlsBroker as ignore, tlsBroker } from "../support/tls_broker.ts";

const made = tlsBroker();

function at(tls: ConnectionOptions["tls"]): ConnectionOptions {
  return { hostname: "localhost", port: made.port, username: "guest", password: "guest", tls };
}

async function refusal(options: ConnectionOptions): Promise<ConnectionError> {
  await using connection = connectionForTest(options);
  const error = await assertRejects(() => new Publisher({ connection }).start(), ConnectionError);
  for (const key of [made.client.key, made.server.key]) assertNoSecret(key, error);
  return error;
}

/** Writes files that are gone in the end. */
async function files(texts: Record<string, string>) {
  const folder = await Deno.makeTempDir({ prefix: "lapinmq-tls-" });
  for (const [name, text] of Object.entries(texts)) {
    await Deno.writeTextFile(`${folder}/${name}`, text);
  }
  return {
    path: (name: string) => `${folder}/${name}`,
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

Deno.test({
  name: "Connection shows its client certificate, publishes and consumes",
  ignore,
  fn: async () => {
    const queueName = await declareQueue(made.node.url);
    await using connection = connectionForTest(at(made.tls(made.client)));
    const received = Promise.withResolvers<string>();
    const consumer = new Consumer({
      connection,
      queueName,
      taskFunction: (message) => {
        received.resolve(message.text());
        return MessageStatus.SUCCESS;
      },
    });
    const publisher = new Publisher({ connection });
    await Promise.all([consumer.start(), publisher.start()]);
    await publisher.sendMessageToQueue({ queueName, body: "hello" });
    assertEquals(await received.promise, "hello");
  },
});

Deno.test({
  name: "start() fails at once, and says so, where the broker wants a client certificate",
  ignore,
  fn: async () => {
    const error = await refusal(at(made.tls()));
    assertEquals(error.code, "CLIENT_CERTIFICATE");
    for (const part of ["wants a client's certificate", `"tls.cert"`, `"tls.key"`]) {
      assertStringIncludes(error.message, part);
    }
  },
});

Deno.test({
  name: "start() fails at once, and says so, where the key belongs to another certificate",
  ignore,
  fn: async () => {
    const error = await refusal(at(made.tls({ cert: made.client.cert, key: made.server.key })));
    assertEquals(error.code, "CLIENT_CERTIFICATE");
    assertStringIncludes(error.message, `the key "tls.key" belongs to another certificate`);
  },
});

Deno.test({
  name: "start() fails at once, and says so, where the client certificate has expired",
  ignore,
  fn: async () => {
    const expired = await makeCertificate({
      issuer: made.authority,
      names: [CLIENT_NAME],
      days: -1,
    });
    const error = await refusal(at(made.tls(expired)));
    assertEquals(error.code, "CLIENT_CERTIFICATE");
    assertStringIncludes(error.message, "has expired");
  },
});

Deno.test({
  name: "start() fails at once, and says so, where the broker trusts another authority",
  ignore,
  fn: async () => {
    const stranger = await makeCertificate({
      issuer: await makeCertificate(),
      names: [CLIENT_NAME],
    });
    const error = await refusal(at(made.tls(stranger)));
    assertEquals(error.code, "CLIENT_CERTIFICATE");
    assertStringIncludes(error.message, "refused the client's certificate");
  },
});

Deno.test({
  name: "start() names the client certificate, or the key, that cannot be read",
  ignore,
  fn: async () => {
    const broken = (label: string) => `-----BEGIN ${label}-----\nAAAA\n-----END ${label}-----\n`;
    const { cert, key } = made.client;
    for (
      const [pair, name] of [
        [{ cert: broken("CERTIFICATE"), key }, "tls.cert"],
        [{ cert, key: broken("PRIVATE KEY") }, "tls.key"],
      ] as const
    ) {
      const error = await refusal(at(made.tls(pair)));
      assertEquals(error.code, "CLIENT_CERTIFICATE");
      assertStringIncludes(error.message, `"${name}"`);
      assertStringIncludes(error.message, "cannot be read");
    }
  },
});

Deno.test({
  name:
    "authMechanism external logs in by the client certificate, and not before its user is there",
  ignore,
  fn: async () => {
    const queueName = await declareQueue(made.node.url);
    const { username: _, password: __, ...address } = at(made.tls(made.client));
    const external = { ...address, authMechanism: "external" } as const;
    const error = await refusal(external);
    assertInstanceOf(error, AuthenticationError);
    assertStringIncludes(error.message, "refused the client's certificate: add a user");
    await made.node.ctl("add_user", CLIENT_NAME, "a password that nobody uses");
    await made.node.ctl("set_permissions", CLIENT_NAME, ".*", ".*", ".*");
    try {
      await using pem = await files({
        "ca.pem": made.authority.cert,
        "cert.pem": made.client.cert,
        "key.pem": made.client.key,
      });
      const parameters = `cacertfile=${pem.path("ca.pem")}&certfile=${pem.path("cert.pem")}` +
        `&keyfile=${pem.path("key.pem")}&verify=verify_peer&server_name_indication=localhost`;
      const url = `amqps://127.0.0.1:${made.port}?auth_mechanism=EXTERNAL&${parameters}`;
      for (const options of [external, { url }]) {
        await using connection = connectionForTest(options);
        const publisher = new Publisher({ connection });
        await publisher.start();
        // The broker closes the channel where another user sends it.
        await publisher.sendMessageToQueue({ queueName, body: "hello", userId: CLIENT_NAME });
      }
      assertEquals(await takeBodies(made.node.url, queueName), ["hello", "hello"]);
    } finally {
      await made.node.ctl("delete_user", CLIENT_NAME);
    }
  },
});

Deno.test({
  name: "authMechanism external says what to do where the broker does not take it",
  ignore,
  fn: async () => {
    const others = "application:get_env(rabbit, auth_mechanisms).";
    assertStringIncludes(await made.node.evaluate(others), "EXTERNAL");
    await made.node.evaluate("application:set_env(rabbit, auth_mechanisms, ['PLAIN']).");
    try {
      const { username: _, password: __, ...address } = at(made.tls(made.client));
      const error = await refusal({ ...address, authMechanism: "external" });
      assertInstanceOf(error, AuthenticationError);
      assertStringIncludes(error.message, "rabbitmq_auth_mechanism_ssl");
    } finally {
      await made.node.evaluate(
        "application:set_env(rabbit, auth_mechanisms, ['PLAIN', 'EXTERNAL']).",
      );
    }
  },
});
