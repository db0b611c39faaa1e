// What amqplib does that the driver on top of it must guard against, brought about by a server that
// misbehaves by script. No broker is needed.

import net from "node:net";
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { assertStringIncludes, assertThrows } from "@std/assert";
import { deadline } from "@std/async/deadline";
import { amqplibDriver } from "../../src/amqp/amqplib_driver.ts";
import type {
  ChannelEvents,
  ConnectionEvents,
  ConnectTarget,
  Delivery,
  DriverConnection,
} from "../../src/amqp/driver.ts";
import {
  ChannelError,
  ConfigurationError,
  ConnectionError,
  MessageDecodeError,
} from "../../src/errors.ts";
import { Link } from "../../src/link.ts";
import { Outbox } from "../../src/outbox.ts";
import { resolvePublisherOptions } from "../../src/publisher_options.ts";
import { prepareMessage } from "../../src/send_options.ts";
import type { TlsOptions } from "../../src/tls_options.ts";
import { type Certificate, hasOpenssl, makeCertificate } from "../support/certificates.ts";
import { eventually } from "../support/eventually.ts";
import {
  AmqpServer,
  type Answer,
  byte,
  type Call,
  closing,
  delivery,
  frame,
  long,
  longlong,
  method,
  short,
  shortstr,
} from "../support/amqp_server.ts";
import { linkOptions } from "../support/scripted_driver.ts";

const never = new AbortController().signal;

function targetOf(server: AmqpServer, options: Partial<ConnectTarget> = {}): ConnectTarget {
  const [endpoint] = linkOptions().endpoints;
  return {
    endpoint: { ...endpoint, hostname: server.hostname, port: server.port },
    heartbeatSeconds: 60,
    timeoutMs: 1_000,
    connectionName: undefined,
    ...options,
  };
}

let certificate: Promise<Certificate> | undefined;
/** A certificate of the server that is its own authority. */
const serverCertificate = () => certificate ??= makeCertificate({ names: ["127.0.0.1"] });

/** What a connection told, in order. */
function connectionEvents(told: string[] = []): ConnectionEvents & { told: string[] } {
  return {
    told,
    closed: (cause) => void told.push(`closed: ${cause.message}`),
    blocked: (reason) => void told.push(`blocked: ${reason}`),
    unblocked: () => void told.push("unblocked"),
  };
}

/** What a channel told, in order. */
function channelEvents(told: string[] = []): ChannelEvents & { told: string[] } {
  return {
    told,
    confirm: (tag, multiple, ok) => void told.push(`confirm ${tag} ${multiple} ${ok}`),
    returned: ({ messageId }) => void told.push(`returned ${messageId}`),
    delivery: ({ tag }) => void told.push(`delivery ${tag}`),
    cancelled: () => void told.push("cancelled"),
    closed: (cause) => void told.push(`closed: ${cause.message}`),
  };
}

/** A connection to a server that misbehaves; both are gone at the end of the test. */
async function connectionForTest(answer?: Answer, options: Partial<ConnectTarget> = {}) {
  const server = new AmqpServer(answer);
  const events = connectionEvents();
  const connection = await amqplibDriver.connect(targetOf(server, options), events, never);
  return {
    server,
    events,
    connection,
    client: server.client,
    async [Symbol.asyncDispose]() {
      connection.destroy();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** A message with this body to the queue "work". */
function messageForTest(body = "x") {
  return prepareMessage({ exchange: "", routingKey: "work", body }, () => "id");
}

/** A publisher's outbox over amqplib, on a server that misbehaves. */
function outboxOn(server: AmqpServer, tls?: TlsOptions) {
  const { endpoint } = targetOf(server);
  const options = linkOptions({ endpoints: [{ ...endpoint, tls }] });
  const link = new Link(amqplibDriver, options);
  const outbox = new Outbox(link, options.reconnect, resolvePublisherOptions({}), {
    run: (_what, code) => void code(),
    channelLost: () => {},
  });
  return {
    link,
    outbox,
    send: (body: string) => outbox.send(messageForTest(body), {}, undefined),
    async [Symbol.asyncDispose]() {
      await outbox.stop(100);
      await link.close(100);
    },
  };
}

/** Confirms every message that is published. */
function confirming(): Answer {
  const lastTags = new Map<string, number>();
  return (client, { name, channel }) => {
    if (name !== "basic.publish") return false;
    const key = `${client.consumerTags.size} ${channel}`;
    const tag = (lastTags.get(key) ?? 0) + 1;
    lastTags.set(key, tag);
    client.call(channel, "basic.ack", [...longlong(tag), ...byte(0)]);
    return true;
  };
}

/** Ways in which a server ends a connection on which a channel has just opened. */
const ENDS: Record<string, readonly number[]> = {
  "connection.close 320": method(0, "connection.close", closing(320, "CONNECTION_FORCED")),
  "connection.close 541": method(0, "connection.close", closing(541, "INTERNAL_ERROR")),
  "a frame that is none": [1, 0, 0, 0, 0, 0, 1, 0, 0],
  "an unknown method": frame(1, 0, [...short(99), ...short(99)]),
  "a method that does not belong there": method(0, "basic.qos-ok"),
  "a frame on a channel that is not open": method(7, "basic.qos-ok"),
};

for (const tls of [false, true]) {
  const overTls = tls ? " over TLS" : "";
  for (const [name, bytes] of Object.entries({ ...ENDS, "the end of the socket": [] })) {
    Deno.test({
      name: `pitfall 1: ${name} in one piece with open-ok is noticed${overTls}`,
      ignore: tls && !hasOpenssl,
      async fn() {
        let rounds = 0;
        const certificate = tls ? await serverCertificate() : undefined;
        await using server = new AmqpServer((client, call) => {
          if (call.name !== "connection.open" || ++rounds > 2) return confirmed(client, call);
          client.send(method(0, "connection.open-ok", shortstr("")), bytes);
          if (bytes.length === 0) void client.end();
          return true;
        }, { certificate });
        const confirmed = confirming();
        await using made = outboxOn(server, certificate && { caCerts: [certificate.cert] });
        await made.outbox.start(5_000);
        await deadline(made.send("x"), 5_000);
        assertEquals(server.clients.length, 3);
      },
    });
  }
}

for (const [name, bytes] of Object.entries(ENDS)) {
  Deno.test(`pitfall 1: ${name} in one piece with select-ok is noticed`, async () => {
    let rounds = 0;
    await using server = new AmqpServer((client, call) => {
      if (call.name !== "confirm.select" || ++rounds > 2) return confirmed(client, call);
      client.send(method(call.channel, "confirm.select-ok"), bytes);
      return true;
    });
    const confirmed = confirming();
    await using made = outboxOn(server);
    await made.outbox.start(5_000);
    await deadline(made.send("x"), 5_000);
  });
}

Deno.test("pitfall 1: channel.close in one piece with select-ok is noticed", async () => {
  let rounds = 0;
  await using server = new AmqpServer((client, call) => {
    if (call.name !== "confirm.select" || ++rounds > 2) return confirmed(client, call);
    client.send(
      method(call.channel, "confirm.select-ok"),
      method(call.channel, "channel.close", closing(406, "PRECONDITION_FAILED - by script")),
    );
    return true;
  });
  const confirmed = confirming();
  await using made = outboxOn(server);
  await made.outbox.start(5_000);
  await deadline(made.send("x"), 5_000);
});

Deno.test("pitfall 2: what throws while a delivery is handled does not cost the connection", async () => {
  await using made = await connectionForTest();
  const events = channelEvents();
  const channel = await made.connection.openChannel({
    ...events,
    delivery: () => {
      throw new Error("from the handler");
    },
  }, { confirms: false });
  await channel.consume("work", "tag");
  const other = channelEvents();
  await made.connection.openChannel(other, { confirms: false });
  made.client.send(delivery(1, "tag", 1));
  await eventually("the channel is closed", () => events.told.length > 0);
  assertEquals([made.events.told, other.told], [[], []]);
});

Deno.test("pitfall 2: a channel that the broker closes does not cost its connection", async () => {
  await using made = await connectionForTest();
  const [first, second] = [channelEvents(), channelEvents()];
  await made.connection.openChannel(first, { confirms: true });
  await made.connection.openChannel(second, { confirms: true });
  made.client.call(1, "channel.close", closing(406, "PRECONDITION_FAILED - by script"));
  await eventually("the first is closed", () => first.told.length > 0);
  assert(first.told[0].includes("PRECONDITION_FAILED - by script"), first.told[0]);
  assertEquals([first.told.length, second.told, made.events.told], [1, [], []]);
});

Deno.test("pitfall 3: every channel and then the connection hear of a loss, each once", async () => {
  await using made = await connectionForTest();
  const told: string[] = [];
  for (const name of ["first", "second"]) {
    await made.connection.openChannel({
      ...channelEvents(),
      closed: (cause) => {
        assertInstanceOf(cause, ConnectionError);
        told.push(name);
      },
    }, { confirms: true });
  }
  made.client.call(0, "connection.close", closing(541, "INTERNAL_ERROR"));
  await eventually("the connection is closed", () => made.events.told.length > 0);
  assertEquals(told, ["first", "second"]);
  assertEquals(made.events.told.length, 1);
});

Deno.test("pitfall 5: close() ends in time although the server does not answer it", async () => {
  await using made = await connectionForTest((_client, { name }) => name.endsWith(".close"));
  const channel = await made.connection.openChannel(channelEvents(), { confirms: false });
  const closingChannel = assertRejects(() => channel.close(), ConnectionError);
  await deadline(Promise.all([made.connection.close(50), closingChannel]), 5_000);
  await deadline(made.client.ended, 5_000);
});

Deno.test("pitfall 6: a request that is never answered fails by its deadline", async () => {
  await using made = await connectionForTest(
    (_client, { name }) => ["basic.qos", "basic.consume", "queue.declare"].includes(name),
    { timeoutMs: 500 },
  );
  const channel = await made.connection.openChannel(channelEvents(), { confirms: false });
  const requests = [
    () => channel.prefetch(1),
    () => channel.consume("work", "tag"),
    () => channel.declareTemporaryQueue({}),
    () => channel.bindQueue("work", "exchange", "key"),
  ];
  for (const request of requests) {
    const error = await deadline(assertRejects(request, ConnectionError), 5_000);
    assertEquals(error.code, "BROKER_TIMEOUT");
  }
});

Deno.test("pitfall 6: openChannel that is never answered fails by its deadline", async () => {
  await using made = await connectionForTest((_client, { name }) => name === "channel.open", {
    timeoutMs: 500,
  });
  const opening = made.connection.openChannel(channelEvents(), { confirms: true });
  const error = await deadline(assertRejects(() => opening, ConnectionError), 5_000);
  assertEquals(error.code, "BROKER_TIMEOUT");
});

Deno.test("pitfall 6: a channel that amqplib closes by itself is given up in time", async () => {
  const violations = {
    "a delivery to a consumer that is not there": delivery(1, "nobody", 1),
    "a body without a header": frame(3, 1, [1, 2, 3]),
  };
  for (const [name, bytes] of Object.entries(violations)) {
    await using made = await connectionForTest(
      (_client, { name }) => name === "channel.close",
      { timeoutMs: 500 },
    );
    const events = channelEvents();
    await made.connection.openChannel(events, { confirms: true });
    made.client.send(bytes);
    await eventually(`${name} costs the channel`, () => events.told.length > 0, 5_000);
    assertEquals(made.events.told, []);
  }
});

Deno.test("pitfall 6: a connection that amqplib closes by itself is given up in time", async () => {
  await using made = await connectionForTest(
    (_client, { name }) => name === "connection.close",
    { timeoutMs: 500 },
  );
  const events = channelEvents();
  await made.connection.openChannel(events, { confirms: false });
  made.client.call(9, "basic.qos-ok");
  await eventually("the connection is lost", () => made.events.told.length > 0, 5_000);
  await deadline(made.client.ended, 5_000);
  assertEquals([events.told.length, made.events.told.length], [1, 1]);
});

Deno.test("pitfall 6: a channel that opens after it was given up is closed", async () => {
  const opening = Promise.withResolvers<Call>();
  await using made = await connectionForTest((_client, call) => {
    if (call.name === "channel.open") opening.resolve(call);
    return call.name === "channel.open";
  }, { timeoutMs: 500 });
  await assertRejects(
    () => made.connection.openChannel(channelEvents(), { confirms: false }),
    ConnectionError,
    "did not answer",
  );
  made.client.behave(await opening.promise);
  await eventually("it is closed", () => made.client.calls.includes("channel.close"));
});

Deno.test("pitfall 7: a message of a channel that is closed settles nothing on another", async () => {
  await using made = await connectionForTest();
  const first = await made.connection.openChannel(channelEvents(), { confirms: false });
  made.client.call(1, "channel.close", closing(406, "by script"));
  await eventually("it is closed", () => made.client.calls.includes("channel.close-ok"));
  await made.connection.openChannel(channelEvents(), { confirms: false });
  for (const how of ["ack", "reject", "requeue", "release"] as const) {
    try {
      first.settle(1, how);
      throw new Error(`${how} was taken`);
    } catch (error) {
      assert(error instanceof ConnectionError || error instanceof ChannelError, String(error));
    }
  }
  await made.connection.close(1_000);
  for (const name of ["basic.ack", "basic.reject", "basic.nack"] as const) {
    assert(!made.client.calls.includes(name));
  }
});

Deno.test("pitfall 8: a connection whose heartbeats fail is destroyed, not half-closed", async () => {
  await using made = await connectionForTest(undefined, { heartbeatSeconds: 1 });
  // The server says nothing any more, and does not hang up when the client closes its half.
  made.client.stubborn = true;
  await eventually("it is lost", () => made.events.told.length > 0);
  assertEquals(made.events.told, [
    "closed: The connection to the broker was lost: Heartbeat timeout",
  ]);
  await deadline(made.client.ended, 5_000);
});

Deno.test("pitfall 10: a confirm, a refusal and a closed channel are three things", async () => {
  await using made = await connectionForTest();
  const events = channelEvents();
  const channel = await made.connection.openChannel(events, { confirms: true });
  for (let count = 0; count < 5; count++) channel.publish(messageForTest());
  made.client.call(1, "basic.nack", [...longlong(2), ...byte(0)]);
  made.client.call(1, "basic.ack", [...longlong(1), ...byte(0)]);
  made.client.call(1, "basic.nack", [...longlong(4), ...byte(1)]);
  made.client.call(1, "channel.close", closing(404, "NOT_FOUND - no exchange 'a' in vhost '/'"));
  await eventually("it is closed", () => events.told.length === 4);
  assertEquals(events.told.slice(0, 3), [
    "confirm 2 false false",
    "confirm 1 false true",
    "confirm 4 true false",
  ]);
  assert(events.told[3].includes('exchange "a"'), events.told[3]);
});

Deno.test("pitfall 10: a confirm of what was never sent costs nothing", async () => {
  // The first comes before anybody could listen.
  const last = [...longlong(2 ** 32 - 1), ...byte(0)];
  await using made = await connectionForTest((client, { name, channel }) => {
    if (name !== "confirm.select") return false;
    client.send(
      method(channel, "confirm.select-ok"),
      method(channel, "basic.ack", last),
    );
    return true;
  });
  const events = channelEvents();
  const channel = await made.connection.openChannel(events, { confirms: true });
  made.client.call(1, "basic.nack", last);
  await eventually("it is told", () => events.told.length > 0);
  // The tags go on as before.
  for (let count = 0; count < 2; count++) channel.publish(messageForTest());
  const before = performance.now();
  made.client.call(1, "channel.close", closing(406, "by script"));
  await eventually("it is closed", () => events.told.some((told) => told.startsWith("closed")));
  assert(performance.now() - before < 5_000);
});

Deno.test("pitfall 11: a delivery in one piece with consume-ok is not missed", async () => {
  await using made = await connectionForTest((client, { name, channel }) => {
    if (name !== "basic.consume") return false;
    const tag = client.consumerTags.get(channel)!;
    client.send(
      method(channel, "basic.consume-ok", shortstr(tag)),
      delivery(channel, tag, 1),
      delivery(channel, tag, 2),
    );
    return true;
  });
  const events = channelEvents();
  const channel = await made.connection.openChannel(events, { confirms: false });
  await channel.consume("work", "tag");
  await eventually("both are there", () => events.told.length === 2);
});

Deno.test("pitfall 11: a lost connection is a loss to its channels, not an error of theirs", async () => {
  await using made = await connectionForTest();
  const causes: Error[] = [];
  await made.connection.openChannel({ ...channelEvents(), closed: (cause) => causes.push(cause) }, {
    confirms: true,
  });
  await made.client.end();
  await eventually("it is closed", () => causes.length > 0);
  assertInstanceOf(causes[0], ConnectionError);
});

Deno.test("pitfall 12: what cannot be written is refused, and the channel goes on", async () => {
  await using made = await connectionForTest();
  const events = channelEvents();
  const channel = await made.connection.openChannel(events, { confirms: true });
  const message = messageForTest();
  const bad = [
    { ...message, routingKey: "x".repeat(256) },
    { ...message, headers: { large: "x".repeat(70_000) } },
    { ...message, properties: { ...message.properties, type: "x".repeat(256) } },
    { ...message, properties: { ...message.properties, priority: "high" as unknown as number } },
  ];
  for (const message of bad) {
    try {
      channel.publish(message);
      throw new Error("It was written");
    } catch (error) {
      assertInstanceOf(error, ConfigurationError);
    }
  }
  // The tags count what was written.
  channel.publish(message);
  await eventually("it was written", () => made.client.calls.includes("basic.publish"));
  await channel.prefetch(1);
  assertEquals(made.client.calls.filter((name) => name === "basic.publish").length, 1);
  assertEquals(events.told, []);
});

Deno.test("pitfall 12: publishing on a closed channel is a lost channel, not bad input", async () => {
  await using made = await connectionForTest();
  const channel = await made.connection.openChannel(channelEvents(), { confirms: true });
  await channel.close();
  try {
    channel.publish(messageForTest());
    throw new Error("It was taken");
  } catch (error) {
    assert(error instanceof ConnectionError || error instanceof ChannelError, String(error));
  }
});

Deno.test("pitfall 13: a body may be any Uint8Array, and arrives as a plain one", async () => {
  await using made = await connectionForTest();
  const deliveries: Delivery[] = [];
  const channel = await made.connection.openChannel({
    ...channelEvents(),
    delivery: (delivery) => deliveries.push(delivery),
  }, { confirms: false });
  const bytes = new Uint8Array([0, 1, 2, 3]).subarray(1, 3);
  channel.publish({ ...messageForTest(), body: bytes });
  await channel.consume("work", "tag");
  made.client.send(delivery(1, "tag", 1, "body"));
  await eventually("it is there", () => deliveries.length === 1);
  assertEquals(deliveries[0].body.constructor, Uint8Array);
  assertEquals(new TextDecoder().decode(deliveries[0].body), "body");
});

Deno.test("pitfall 15: a message whose headers cannot be decoded is delivered without them", async () => {
  await using made = await connectionForTest();
  const deliveries: Delivery[] = [];
  const events = channelEvents();
  const channel = await made.connection.openChannel({
    ...events,
    delivery: (delivery) => deliveries.push(delivery),
  }, { confirms: false });
  await channel.consume("work", "tag");
  const withHeaders = (tag: number, table: number[]) => [
    ...delivery(1, "tag", tag, "").slice(0, -30), // Without its own header and body.
    ...frame(2, 1, [
      ...short(60),
      ...short(0),
      ...longlong(0),
      ...short(1 << 13 | 1 << 7),
      ...long(table.length),
      ...table,
      ...shortstr(`id ${tag}`),
    ]),
  ];
  const deep: number[] = [];
  for (let level = 25_000; level > 0; level--) deep.push(65, ...long((level - 1) * 5));
  made.client.send(
    withHeaders(1, [...shortstr("x"), ...deep]),
    withHeaders(2, [...shortstr("x"), "?".charCodeAt(0)]), // No such type.
    withHeaders(3, [...shortstr("x"), "t".charCodeAt(0), 1]),
  );
  await eventually("all are there", () => deliveries.length === 3);
  assertEquals(events.told, []);
  assertEquals(deliveries.map(({ tag, properties }) => [tag, properties]), [
    [1, { messageId: "id 1" }],
    [2, { messageId: "id 2" }],
    [3, { messageId: "id 3" }],
  ]);
  for (const delivery of deliveries.slice(0, 2)) {
    const error = assertThrows(() => delivery.headers, MessageDecodeError);
    assertStringIncludes(error.message, "headers");
  }
  assertEquals(deliveries[2].headers, { x: true });
});

Deno.test("pitfall 16: a server that accepts and stays silent is given up (failure mode 7)", async () => {
  await using server = new AmqpServer(undefined, { greet: false });
  const connecting = amqplibDriver.connect(
    targetOf(server, { timeoutMs: 100 }),
    connectionEvents(),
    never,
  );
  const error = await deadline(assertRejects(() => connecting, ConnectionError), 5_000);
  assertEquals(error.code, "CONNECT_TIMEOUT");
  await deadline(server.client.ended, 5_000);
});

Deno.test("pitfall 16: a server that answers slowly but steadily is given up", async () => {
  await using server = new AmqpServer(undefined, {
    greet: false,
    accepted: (client) => {
      // The beginning of a long frame, byte by byte: never idle, never done.
      const bytes = [1, 0, 0, ...long(100_000)];
      const dripping = setInterval(() => client.send([bytes.shift() ?? 0]), 10);
      void client.ended.then(() => clearInterval(dripping));
    },
  });
  const connecting = amqplibDriver.connect(
    targetOf(server, { timeoutMs: 200 }),
    connectionEvents(),
    never,
  );
  const error = await deadline(assertRejects(() => connecting, ConnectionError), 5_000);
  assertEquals(error.code, "CONNECT_TIMEOUT");
  await deadline(server.client.ended, 5_000);
});

Deno.test("pitfall 16: connecting is given up when it is no longer wanted", async () => {
  await using server = new AmqpServer(undefined, { greet: false });
  const giveUp = new AbortController();
  const connecting = amqplibDriver.connect(targetOf(server), connectionEvents(), giveUp.signal);
  await eventually("it has connected", () => server.clients.length === 1);
  giveUp.abort(new ConnectionError("Closed by the program"));
  await assertRejects(() => connecting, ConnectionError, "Closed by the program");
  await deadline(server.client.ended, 5_000);
});

Deno.test("pitfall 16: an open-ok that is there as the connection breaks opens nothing", async () => {
  const giveUp = new AbortController();
  const { push } = net.Socket.prototype;
  await using server = new AmqpServer((client, { name }) => {
    if (name !== "connection.open") return false;
    // Received, and the socket is destroyed before anybody is told that it can be read.
    net.Socket.prototype.push = function (this: net.Socket, ...args) {
      const more = push.apply(this, args);
      if (this.remotePort === server.port) giveUp.abort(new ConnectionError("It broke"));
      return more;
    };
    client.call(0, "connection.open-ok", shortstr(""));
    return true;
  });
  try {
    const target = targetOf(server, { heartbeatSeconds: 1 });
    const connecting = amqplibDriver.connect(target, connectionEvents(), giveUp.signal);
    await assertRejects(() => connecting, ConnectionError, "It broke");
    await deadline(server.client.ended, 5_000);
  } finally {
    net.Socket.prototype.push = push;
  }
  // Were there heartbeats, this test would fail for their timers, and a program for their timeout.
});

Deno.test("pitfall 17: a silent connection is noticed after three heartbeats at the latest", async () => {
  await using server = new AmqpServer();
  const lost = Promise.withResolvers<void>();
  const started = performance.now();
  const connection: DriverConnection = await amqplibDriver.connect(
    targetOf(server, { heartbeatSeconds: 1 }),
    { ...connectionEvents(), closed: () => lost.resolve() },
    never,
  );
  await deadline(lost.promise, 10_000);
  // Not sooner than a heartbeat could have come.
  assert(performance.now() - started > 1_000);
  connection.destroy();
});

Deno.test("a connection that is blocked as it opens counts as blocked", async () => {
  await using server = new AmqpServer((client, { name }) => {
    if (name !== "connection.open") return false;
    client.send(
      method(0, "connection.open-ok", shortstr("")),
      method(0, "connection.blocked", shortstr("low on memory")),
    );
    return true;
  });
  await using made = outboxOn(server);
  const started = made.outbox.start(30_000);
  await eventually("it is blocked", () => made.outbox.health().status === "blocked");
  server.client.call(0, "connection.unblocked");
  await started;
  await eventually("it is up", () => made.outbox.health().status === "up");
});

Deno.test("failure mode 9: a connection cut in the midst of a set-up is set up again", async () => {
  for (const at of ["channel.open", "confirm.select"]) {
    let rounds = 0;
    await using server = new AmqpServer((client, call) => {
      if (call.name !== at || ++rounds > 2) return confirmed(client, call);
      void client.end();
      return true;
    });
    const confirmed = confirming();
    await using made = outboxOn(server);
    await made.outbox.start(5_000);
    await deadline(made.send("x"), 5_000);
  }
});

Deno.test("failure mode 58: what does not speak AMQP is named as such", async () => {
  const replies = {
    "an HTTP server": "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nBad Request",
    "another version of AMQP": "AMQP\x03\x01\x00\x00",
    "a chatty server": "220 mail.example ESMTP ready\r\n",
  };
  for (const [name, reply] of Object.entries(replies)) {
    await using server = new AmqpServer(undefined, {
      greet: false,
      accepted: (client) => {
        client.send([...new TextEncoder().encode(reply)]);
        if (name !== "a chatty server") void client.end();
      },
    });
    const connecting = amqplibDriver.connect(
      targetOf(server, { timeoutMs: 500 }),
      connectionEvents(),
      never,
    );
    const error = await deadline(assertRejects(() => connecting, ConnectionError), 5_000);
    assert(error.message.startsWith(`Cannot connect to the broker at 127.0.0.1:${server.port}: `));
    assert(/AMQP|TLS|did not answer/.test(error.message), `${name}: ${error.message}`);
  }
});

Deno.test("failure mode 58: TLS to a server without it is named as such", async () => {
  await using server = new AmqpServer(undefined, {
    greet: false,
    accepted: (client) => client.send([..."AMQP\0\0\x09\x01"].map((c) => c.charCodeAt(0))),
  });
  const target = targetOf(server);
  const connecting = amqplibDriver.connect(
    { ...target, endpoint: { ...target.endpoint, tls: {} } },
    connectionEvents(),
    never,
  );
  const error = await deadline(assertRejects(() => connecting, ConnectionError), 5_000);
  assertEquals(error.code, "NOT_TLS", error.message);
});

/** What breaks the protocol on a connection with an open channel, and so ends the connection. */
const VIOLATIONS: Record<string, readonly number[]> = {
  "a frame that claims 4 GiB (failure mode 60)": [1, 0, 1, 255, 255, 255, 255],
  "a frame that does not end (failure mode 63)": [1, 0, 1, 0, 0, 0, 1, 0, 0],
  "an unsolicited reply (failure mode 63)": method(1, "basic.qos-ok"),
  "a reply on channel 0 (failure mode 63)": method(0, "basic.qos-ok"),
  "an unknown method (failure mode 63)": frame(1, 1, [...short(99), ...short(99)]),
  "a frame of an unknown type (failure mode 63)": frame(9, 1, []),
  "a frame for a channel that is not open (failure mode 63)": method(9, "basic.qos-ok"),
  "a delivery to a consumer that is not there (failure mode 63)": delivery(1, "nobody", 1),
  "a body without a header (failure mode 63)": frame(3, 1, [1, 2, 3]),
  "a method cut short (failure mode 63)": method(1, "basic.ack", [0]),
  "more body than was announced (failure mode 63)": [
    ...delivery(1, "tag", 1).slice(0, -9),
    ...frame(3, 1, [1, 2, 3, 4, 5, 6, 7, 8]),
  ],
};

for (const [name, bytes] of Object.entries(VIOLATIONS)) {
  Deno.test(`Outbox survives ${name}`, async () => {
    await using server = new AmqpServer();
    await using made = outboxOn(server);
    await made.outbox.start(5_000);
    const send = made.send("x");
    await eventually("it was written", () => server.client.calls.includes("basic.publish"));
    server.answer = confirming();
    server.client.send(bytes);
    // It is confirmed on a fresh channel, whatever was lost.
    await deadline(send, 10_000);
  });
}

Deno.test("Outbox survives a channel that neither side can close", async () => {
  await using server = new AmqpServer((_client, { name }) => name === "channel.close");
  await using made = outboxOn(server);
  await made.outbox.start(5_000);
  const first = made.send("first");
  await eventually("it was written", () => server.client.calls.includes("basic.publish"));
  server.client.send(frame(3, 1, [1, 2, 3]));
  await eventually(
    "amqplib closes the channel",
    () => server.client.calls.includes("channel.close"),
  );
  const confirmed = confirming();
  server.answer = (client, call) => call.name === "channel.close" || confirmed(client, call);
  await deadline(Promise.all([first, made.send("second")]), 5_000);
});

Deno.test("a connection that ends in the midst of a frame is lost", async () => {
  await using made = await connectionForTest();
  made.client.send(method(0, "connection.blocked", shortstr("half")).slice(0, 9));
  await made.client.end();
  await eventually("it is lost", () => made.events.told.length === 1);
});

Deno.test("basic.cancel of the server is told once, and leaves the connection alone", async () => {
  await using made = await connectionForTest();
  const events = channelEvents();
  const channel = await made.connection.openChannel(events, { confirms: false });
  await channel.consume("work", "tag");
  made.client.call(1, "basic.cancel", [...shortstr("tag"), ...byte(1)]);
  await eventually("it is told", () => events.told.length === 1);
  assertEquals(events.told, ["cancelled"]);
  await channel.close();
  assertEquals(made.events.told, []);
});
