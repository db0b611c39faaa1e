/** Ways to the broker that the program opens itself: `dial`. */

import { Buffer } from "node:buffer";
import net from "node:net";
import { Duplex } from "node:stream";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  ConnectionError,
  type ConnectionOptions,
  Consumer,
  type Dial,
  MessageStatus,
  Publisher,
} from "../../mod.ts";
import { broker, connectionForTest } from "../support/broker.ts";
import { hasOpenssl, makeCertificate } from "../support/certificates.ts";
import { eventually } from "../support/eventually.ts";
import { startProxy } from "../support/proxy.ts";
import { httpProxy, unixProxy } from "../support/socket_proxies.ts";
import { startTlsProxy } from "../support/tls_proxy.ts";
import { topology } from "../support/topology.ts";

const FAST = { reconnect: { initialDelayMs: 10, maxDelayMs: 50 } };
const { hostname, port, username, password, vhost } = broker;
const LOGIN = { hostname, port, username, password, vhost };

/** Sends a message through the connection and receives it, larger than what one read takes. */
async function works(options: ConnectionOptions): Promise<void> {
  await using made = await topology();
  const queueName = await made.queue();
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
  const body = "x".repeat(300_000);
  await publisher.sendMessageToQueue({ queueName, body });
  assertEquals(await received.promise, body);
}

async function refusal(options: ConnectionOptions): Promise<ConnectionError> {
  await using connection = connectionForTest({ ...LOGIN, ...FAST, ...options });
  return await assertRejects(() => new Publisher({ connection }).start(), ConnectionError);
}

/** A stream that is no socket, over a socket. */
function plainStream(socket: net.Socket): Duplex {
  const stream = new Duplex({
    read() {
      socket.resume();
    },
    write: (chunk, _encoding, done) => void socket.write(chunk, done),
    final: (done) => void socket.end(done),
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });
  socket.on("data", (chunk) => stream.push(chunk) || socket.pause());
  socket.on("end", () => stream.push(null));
  socket.on("error", (error) => stream.destroy(error));
  return stream;
}

/** Asks a proxy for a tunnel. */
async function tunnel(proxyPort: number, host: string, to: number): Promise<Duplex> {
  const socket = net.connect(proxyPort, "127.0.0.1");
  socket.write(`CONNECT ${host}:${to} HTTP/1.1\r\nHost: ${host}:${to}\r\n\r\n`);
  let head = "";
  while (!head.includes("\r\n\r\n")) {
    const byte: Uint8Array | null = socket.read(1);
    if (byte === null) await new Promise((resolve) => socket.once("readable", resolve));
    else head += String.fromCharCode(byte[0]);
  }
  if (!head.startsWith("HTTP/1.1 200")) throw new Error(`The proxy said ${head.split("\r\n")[0]}`);
  return socket;
}

Deno.test("dial leads through a unix socket, open or still opening", async () => {
  await using proxy = await unixProxy();
  const opening: Dial = () => net.connect(proxy.path);
  const open: Dial = (host, to) => {
    assertEquals([host, to], [hostname, port]);
    const socket = net.connect(proxy.path);
    return new Promise((resolve) => socket.once("connect", () => resolve(socket)));
  };
  for (const dial of [opening, open]) await works({ ...LOGIN, dial });
  assertEquals(proxy.connections, 4);
});

Deno.test("dial leads through an HTTP proxy", async () => {
  await using proxy = await httpProxy();
  await works({ ...LOGIN, dial: (host, to) => tunnel(proxy.port, host, to) });
  assertEquals(proxy.targets, [`${hostname}:${port}`, `${hostname}:${port}`]);
});

Deno.test("dial may give any stream, and not a socket alone", async () => {
  await works({ ...LOGIN, dial: () => plainStream(net.connect(port, "127.0.0.1")) });
});

Deno.test({
  name: "TLS goes over what dial gives, and the certificate is checked all the same",
  ignore: !hasOpenssl,
  fn: async () => {
    const issuer = await makeCertificate();
    await using encrypted = startTlsProxy(await makeCertificate({ issuer, names: ["localhost"] }));
    await using proxy = await httpProxy();
    const address = { ...LOGIN, hostname: "localhost", port: encrypted.port };
    const tls = { caCerts: [issuer.cert] };
    const dials: Dial[] = [
      (host, to) => tunnel(proxy.port, host, to),
      () => net.connect(encrypted.port, "127.0.0.1"),
      () => plainStream(net.connect(encrypted.port, "127.0.0.1")),
    ];
    for (const dial of dials) {
      await works({ ...address, tls, dial });
      const error = await refusal({ ...address, tls: true, dial });
      assertEquals(error.code, "CERTIFICATE");
      const other = await refusal({ ...address, hostname: "127.0.0.1", tls, dial });
      assertEquals(other.code, "CERTIFICATE");
    }
  },
});

Deno.test("dial is asked again after the connection was lost", async () => {
  await using made = await topology();
  const queueName = await made.queue();
  await using proxy = startProxy();
  for (const through of [(socket: net.Socket): Duplex => socket, plainStream]) {
    let dialled = 0;
    await using connection = connectionForTest({
      ...LOGIN,
      ...FAST,
      dial: () => {
        dialled++;
        return through(net.connect(proxy.port, "127.0.0.1"));
      },
    });
    const publisher = new Publisher({ connection });
    const lost = Promise.withResolvers<void>();
    connection.addEventListener("disconnected", () => lost.resolve());
    await publisher.start();
    proxy.cut();
    await lost.promise;
    await publisher.sendMessageToQueue({ queueName, body: "" });
    assertEquals(dialled, 2);
  }
});

Deno.test("a stream of dial that is destroyed without a word counts as lost", async () => {
  const streams: Duplex[] = [];
  await using connection = connectionForTest({
    ...LOGIN,
    ...FAST,
    heartbeatSeconds: 3_600,
    dial: () => {
      streams.push(plainStream(net.connect(port, "127.0.0.1")));
      return streams.at(-1)!;
    },
  });
  const publisher = new Publisher({ connection });
  const lost = Promise.withResolvers<Error>();
  connection.addEventListener("disconnected", ({ detail }) => lost.resolve(detail.cause));
  await publisher.start();
  streams[0].destroy();
  assertStringIncludes((await lost.promise).message, `"dial"`);
  await eventually("it is back", () => publisher.health().status === "up");
});

Deno.test("start() says what a dial that fails threw, names it, and goes on trying", async () => {
  const failing: [dial: unknown, says: string][] = [
    [() => {
      throw new Error("the proxy is closed");
    }, "failed: the proxy is closed"],
    [() => Promise.reject(new Error("the proxy is closed")), "failed: the proxy is closed"],
    [() => Promise.reject("text"), "failed"],
    [() => undefined, "gave no stream"],
    [() => ({}), "gave no stream"],
    [() => net.connect("/no/such/socket"), "gave a stream that failed"],
    [() => plainStream(net.connect(1, "127.0.0.1")), "nothing listens"],
  ];
  for (const [dial, says] of failing) {
    let calls = 0;
    const error = await refusal({
      dial: () => {
        calls++;
        return (dial as Dial)("", 0);
      },
      startTimeoutMs: 1_000,
    });
    assertEquals(error.code, "START_TIMEOUT");
    for (const part of [`"dial"`, says]) assertStringIncludes(error.message, part);
    assert(calls >= 2, `It was called ${calls} times`);
  }
});

Deno.test("start() gives up a dial, and a stream, that stays silent, and destroys what it gives", async () => {
  const late = Promise.withResolvers<Duplex>();
  const silent: Duplex[] = [];
  const newStream = () => {
    const stream = new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done() });
    silent.push(stream);
    return stream;
  };
  for (const dial of [() => late.promise, newStream]) {
    const error = await refusal({ dial, connectTimeoutMs: 100, startTimeoutMs: 1_000 });
    assertStringIncludes(error.message, "did not answer within 100 ms");
  }
  assert(silent.length >= 2, "it was tried again");
  late.resolve(newStream());
  await eventually("all are destroyed", () => silent.every((stream) => stream.destroyed));
});

Deno.test("Connection.close ends a dial that is under way", async () => {
  const called = Promise.withResolvers<void>();
  const result = Promise.withResolvers<Duplex>();
  const connection = connectionForTest({
    ...LOGIN,
    dial: () => {
      called.resolve();
      return result.promise;
    },
  });
  const starting = assertRejects(() => new Publisher({ connection }).start());
  await called.promise;
  await connection.close();
  await starting;
  const stream = new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done() });
  result.resolve(stream);
  await eventually("it is destroyed", () => stream.destroyed);
});

Deno.test("start() tells apart what answers there, through dial as well", async () => {
  const web: Dial = () => {
    const stream = new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done() });
    stream.push(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"));
    return stream;
  };
  assertEquals((await refusal({ dial: web })).code, "NOT_AMQP");
});
