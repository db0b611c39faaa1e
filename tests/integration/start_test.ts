/** What `start()` does where the broker is not as it should be, and that it says so. */

import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { assertMatch, assertStringIncludes } from "@std/assert";
import {
  AuthenticationError,
  type ConnectionError as ConnectionErrorType,
  type ConnectionOptions,
  Publisher,
  PublisherStoppedError,
} from "../../mod.ts";
import { ConnectionError, Consumer, MessageStatus } from "../../mod.ts";
import { broker, connectionForTest } from "../support/broker.ts";
import { startProxy } from "../support/proxy.ts";
import { recordingLogger } from "../support/recording_logger.ts";
import { assertNoSecret } from "../support/secrets.ts";
import { type FakeServer, fakeServer } from "../support/fake_server.ts";
import { topology } from "../support/topology.ts";

const FAST = { reconnect: { initialDelayMs: 10, maxDelayMs: 50 } };
const SECRET = "s3cret/pass&word%";

/** The error of a publisher's start with these options. */
async function startError(options: ConnectionOptions): Promise<ConnectionErrorType> {
  await using connection = connectionForTest(options);
  const publisher = new Publisher({ connection });
  return await assertRejects(() => publisher.start(), ConnectionError);
}

function at(server: FakeServer): { hostname: string; port: number } {
  return { hostname: server.hostname, port: server.port };
}

Deno.test("start() fails at once with a wrong password, and nothing shows it (54)", async () => {
  const { logger, lines } = recordingLogger();
  const { hostname, port, username } = broker;
  const forms: ConnectionOptions[] = [
    { hostname, port, username, password: SECRET },
    { url: `amqp://${username}:${encodeURIComponent(SECRET)}@${hostname}:${port}` },
  ];
  for (const options of forms) {
    await using connection = connectionForTest({ ...options, logger });
    const events: unknown[] = [];
    for (const type of ["disconnected", "reconnecting", "error"] as const) {
      connection.addEventListener(type, (event) => events.push(event.detail));
    }
    const publisher = new Publisher({ connection });
    const consumer = new Consumer({
      connection,
      queueName: "any",
      taskFunction: () => MessageStatus.SUCCESS,
    });
    for (const user of [publisher, consumer]) {
      const error = await assertRejects(() => user.start(), AuthenticationError);
      assertEquals(error.code, "AUTHENTICATION");
      assertStringIncludes(error.message, `user name "${username}"`);
      assertStringIncludes(error.message, `${hostname}:${port}`);
      assertNoSecret(SECRET, error);
      assertNoSecret(SECRET, publisher, consumer, connection, publisher.health());
    }
    assertNoSecret(SECRET, ...events);
  }
  for (const line of lines) assertNoSecret(SECRET, line.message, ...line.data);
});

Deno.test("start() fails at once where the virtual host is missing", async () => {
  const { hostname, port } = broker;
  const error = await startError({ hostname, port, vhost: "no/such vhost" });
  assertInstanceOf(error, AuthenticationError);
  assertEquals(error.code, "VHOST");
  assertStringIncludes(error.message, `"no/such vhost"`);
});

Deno.test("start() tries a closed port until startTimeoutMs, then says that nothing listens", async () => {
  await using proxy = startProxy();
  proxy.refuse();
  let attempts = 0;
  await using connection = connectionForTest({
    hostname: proxy.hostname,
    port: proxy.port,
    startTimeoutMs: 1_000,
    ...FAST,
  });
  connection.addEventListener("reconnecting", () => attempts++);
  const publisher = new Publisher({ connection });
  const sendings = [publisher.start(), publisher.sendMessageToQueue({ queueName: "q", body: "" })];
  const [started, sent] = await Promise.allSettled(sendings) as PromiseRejectedResult[];
  assertInstanceOf(started.reason, ConnectionError);
  assertEquals(started.reason.code, "START_TIMEOUT");
  for (const part of ["1000 ms", `${proxy.hostname}:${proxy.port}`, "nothing listens"]) {
    assertStringIncludes(started.reason.message, part);
  }
  assert(attempts >= 2, `It was tried again ${attempts} times`);
  // What waited for the start hears of it.
  assertInstanceOf(sent.reason, PublisherStoppedError);
  assertStringIncludes(sent.reason.message, "nothing listens");
});

Deno.test("start() succeeds where the broker comes up while it waits, also after a failure", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using proxy = startProxy();
  proxy.refuse();
  await using connection = connectionForTest({
    hostname: proxy.hostname,
    port: proxy.port,
    startTimeoutMs: 3_000,
    ...FAST,
  });
  const first = new Publisher({ connection });
  await assertRejects(() => first.start(), ConnectionError);
  await using patient = connectionForTest({
    hostname: proxy.hostname,
    port: proxy.port,
    ...FAST,
  });
  const publisher = new Publisher({ connection: patient });
  const refusals = Promise.withResolvers<void>();
  patient.addEventListener("reconnecting", ({ detail }) => {
    if (detail.attempt === 5) refusals.resolve();
  });
  const starting = publisher.start();
  const sending = publisher.sendMessageToQueue({ queueName: queue, body: "early" });
  await refusals.promise;
  proxy.listen();
  await starting;
  await sending;
  await first.start(); // It can be tried again.
  await first.sendMessageToQueue({ queueName: queue, body: "late" });
  assertEquals(await made.count(queue), 2);
});

Deno.test("start() gives up a server that accepts and stays silent (7)", async () => {
  await using silent = fakeServer(() => {});
  const error = await startError({
    ...at(silent),
    connectTimeoutMs: 100,
    startTimeoutMs: 2_000,
    ...FAST,
  });
  assertEquals(error.code, "START_TIMEOUT");
  assertStringIncludes(error.message, "did not answer within 100 ms");
  assert(silent.connections >= 2, "It was tried again");
});

Deno.test("start() gives up a server that answers slowly but steadily", async () => {
  // amqplib's own time limit counts idle time only: each byte would start it afresh.
  await using slow = fakeServer(async (socket, closed) => {
    await socket.write(Uint8Array.of(1, 0, 0, 0, 0, 255, 255)); // A frame of 64 KiB begins.
    const drip = setInterval(() => void socket.write(new Uint8Array(1)).catch(() => {}), 20);
    await closed;
    clearInterval(drip);
  });
  const error = await startError({
    ...at(slow),
    connectTimeoutMs: 200,
    startTimeoutMs: 2_000,
    ...FAST,
  });
  assertStringIncludes(error.message, "did not answer within 200 ms");
});

Deno.test("start() fails at once where an HTTP server answers (58)", async () => {
  await using web = fakeServer(async (socket) => {
    await socket.write(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"));
  });
  const error = await startError(at(web));
  assertEquals(error.code, "NOT_AMQP");
  assertMatch(error.message, /does not speak AMQP/);
});

Deno.test("start() fails at once with TLS to a plain port (58)", async () => {
  const { hostname, port } = broker;
  const error = await startError({ hostname, port, tls: true });
  assertEquals(error.code, "NOT_TLS");
  assertStringIncludes(error.message, "does not speak TLS");
});

Deno.test("start() fails where a server hangs up, and says what may be the matter", async () => {
  await using rude = fakeServer((socket) => socket.close());
  const error = await startError({ ...at(rude), startTimeoutMs: 1_000, ...FAST });
  assertEquals(error.code, "START_TIMEOUT");
  assertStringIncludes(error.message, "closed before the broker had answered");
});

Deno.test("start() of an unknown host name says so", async () => {
  const error = await startError({
    hostname: "no-such-host.invalid",
    port: 5672,
    startTimeoutMs: 2_000,
    ...FAST,
  });
  assertStringIncludes(error.message, `"no-such-host.invalid"`);
});

Deno.test("start() twice, at once or one after the other, opens one channel", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  let connected = 0;
  connection.addEventListener("connected", () => connected++);
  await Promise.all([publisher.start(), publisher.start()]);
  await publisher.start();
  await publisher.sendMessageToQueue({ queueName: queue, body: "" });
  assertEquals(connected, 1);
  await publisher.stop();
});

Deno.test("start() twice fails twice where it fails", async () => {
  await using web = fakeServer(async (socket) => {
    await socket.write(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"));
  });
  await using connection = connectionForTest(at(web));
  const publisher = new Publisher({ connection });
  const starts = await Promise.allSettled([publisher.start(), publisher.start()]);
  assertEquals(starts.map((one) => one.status), ["rejected", "rejected"]);
  assertEquals(publisher.health().status, "down");
});

Deno.test("start() goes to the next address where one fails (21)", async () => {
  await using closed = startProxy();
  closed.refuse();
  await using proxy = startProxy();
  const { username, password, vhost } = broker;
  const url = (port: number) =>
    `amqp://${username}:${encodeURIComponent(password)}@127.0.0.1:${port}/${
      encodeURIComponent(vhost)
    }`;
  await using connection = connectionForTest({ url: [url(closed.port), url(proxy.port)] });
  const publisher = new Publisher({ connection });
  const ports: number[] = [];
  connection.addEventListener("connected", ({ detail }) => ports.push(detail.port));
  await publisher.start();
  assertEquals(ports, [proxy.port]);
});
