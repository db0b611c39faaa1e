/** Encrypted connections, and brokers that are not who they should be. */

import { connect } from "node:net";
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  ConnectionError,
  type ConnectionOptions,
  Consumer,
  MessageStatus,
  Publisher,
} from "../../mod.ts";
import { broker, connectionForTest } from "../support/broker.ts";
import { type Certificate, hasOpenssl, makeCertificate } from "../support/certificates.ts";
import { startTlsProxy } from "../support/tls_proxy.ts";
import { fakeServer } from "../support/fake_server.ts";
import { topology } from "../support/topology.ts";

const FAST = { reconnect: { initialDelayMs: 10, maxDelayMs: 50 } };

let authority: Promise<Certificate> | undefined;
/** The authority that the tests trust. */
const ourAuthority = () => authority ??= makeCertificate();

async function serverCertificate(...names: string[]): Promise<Certificate> {
  return await makeCertificate({ issuer: await ourAuthority(), names });
}

function url(scheme: string, hostname: string, port: number): string {
  const { username, password, vhost } = broker;
  const login = `${username}:${encodeURIComponent(password)}`;
  return `${scheme}://${login}@${hostname}:${port}/${encodeURIComponent(vhost)}`;
}

/** A test that is skipped where openssl is not installed. */
function tlsTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: !hasOpenssl, fn });
}

async function refusal(options: ConnectionOptions): Promise<ConnectionError> {
  await using connection = connectionForTest({ ...FAST, ...options });
  return await assertRejects(() => new Publisher({ connection }).start(), ConnectionError);
}

tlsTest("Connection publishes and consumes over amqps with an authority of one's own", async () => {
  await using made = await topology();
  const queueName = await made.queue();
  await using proxy = startTlsProxy(await serverCertificate("localhost", "127.0.0.1"));
  const caCerts = [(await makeCertificate()).cert, (await ourAuthority()).cert];
  const forms: ConnectionOptions[] = [
    { url: url("amqps", "localhost", proxy.port), tls: { caCerts } },
    { url: url("amqps", "127.0.0.1", proxy.port), tls: { caCerts } },
    { hostname: "localhost", port: proxy.port, tls: { caCerts } },
  ];
  for (const options of forms) {
    await using connection = connectionForTest(options);
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
    const body = "x".repeat(300_000); // More than one record of TLS.
    await publisher.sendMessageToQueue({ queueName, body });
    assertEquals(await received.promise, body);
    await consumer.stop();
  }
});

tlsTest("Connection recovers over TLS", async () => {
  await using made = await topology();
  const queueName = await made.queue();
  await using proxy = startTlsProxy(await serverCertificate("localhost"));
  const tls = { caCerts: [(await ourAuthority()).cert] };
  await using connection = connectionForTest({
    hostname: "localhost",
    port: proxy.port,
    tls,
    ...FAST,
  });
  const publisher = new Publisher({ connection });
  const lost = Promise.withResolvers<void>();
  connection.addEventListener("disconnected", () => lost.resolve());
  await publisher.start();
  proxy.cut();
  await lost.promise;
  await publisher.sendMessageToQueue({ queueName, body: "" });
});

tlsTest("start() refuses a certificate of an authority that is not trusted (57)", async () => {
  await using proxy = startTlsProxy(await serverCertificate("localhost"));
  const stranger = (await makeCertificate()).cert;
  for (const tls of [true, { caCerts: [stranger] }]) {
    const error = await refusal({ hostname: "localhost", port: proxy.port, tls });
    assertEquals(error.code, "CERTIFICATE");
    assertStringIncludes(error.message, "not trusted");
    assertStringIncludes(error.message, "tls.caCerts");
  }
});

tlsTest("start() refuses a self-signed certificate (57)", async () => {
  await using proxy = startTlsProxy(await makeCertificate({ names: ["localhost"] }));
  const error = await refusal({ url: url("amqps", "localhost", proxy.port) });
  assertEquals(error.code, "CERTIFICATE");
});

tlsTest(
  "start() refuses a certificate for another host, unless serverName names it (57)",
  async () => {
    await using proxy = startTlsProxy(await serverCertificate("rabbit.example"));
    const caCerts = [(await ourAuthority()).cert];
    const options = { hostname: "localhost", port: proxy.port };
    for (const serverName of [undefined, "other.example"]) {
      const error = await refusal({ ...options, tls: { caCerts, serverName } });
      assertEquals(error.code, "CERTIFICATE");
      assertStringIncludes(error.message, "tls.serverName");
    }
    await using connection = connectionForTest({
      ...options,
      tls: { caCerts, serverName: "rabbit.example" },
    });
    await new Publisher({ connection }).start();
  },
);

tlsTest("start() without TLS to a port of TLS says what may be the matter (58)", async () => {
  await using proxy = startTlsProxy(await serverCertificate("localhost"));
  const error = await refusal({
    url: url("amqp", "localhost", proxy.port),
    startTimeoutMs: 2_000,
  });
  assertStringIncludes(error.message, `localhost:${proxy.port}`);
  assertStringIncludes(error.message, "amqps");
});

tlsTest("start() says of caCerts that are no certificates that they are not", async () => {
  await using proxy = startTlsProxy(await serverCertificate("localhost"));
  for (const text of ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]) {
    const error = await refusal({
      hostname: "localhost",
      port: proxy.port,
      tls: { caCerts: [text] },
    });
    assertEquals(error.code, "CERTIFICATE");
    assertStringIncludes(error.message, "tls.caCerts");
  }
});

/** A server that hangs up while TLS is being set up, at the start or after the client's first words. */
function hangingUp(after: boolean) {
  return fakeServer(async (socket) => {
    if (after) await new Promise((resolve) => setTimeout(resolve));
    socket.close();
  });
}

for (const after of [false, true]) {
  tlsTest(
    `start() goes on trying where TLS is cut ${after ? "in" : "before"} the handshake (70)`,
    async () => {
      await using proxy = startTlsProxy(await serverCertificate("localhost"));
      await using rude = hangingUp(after);
      const tls = { caCerts: [(await ourAuthority()).cert] };
      const { username, password, vhost } = broker;
      let dialled = 0;
      await using connection = connectionForTest({
        hostname: "localhost",
        port: proxy.port,
        ...{ username, password, vhost, tls, ...FAST },
        dial: () => connect(++dialled <= 3 ? rude.port : proxy.port, "127.0.0.1"),
      });
      const causes: string[] = [];
      connection.addEventListener("reconnecting", ({ detail }) => {
        causes.push((detail.cause as ConnectionError).code);
      });
      await new Publisher({ connection }).start();
      assertEquals([dialled, causes.includes("NOT_TLS")], [4, false]);
      await using direct = connectionForTest({
        hostname: "localhost",
        port: rude.port,
        tls,
        startTimeoutMs: 500,
        ...FAST,
      });
      const error = await assertRejects(
        () => new Publisher({ connection: direct }).start(),
        ConnectionError,
      );
      assertEquals(error.code, "START_TIMEOUT");
      assertStringIncludes(error.message, "closed before the broker had answered");
    },
  );
}
