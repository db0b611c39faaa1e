import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { Buffer } from "node:buffer";
import net from "node:net";
import amqplib from "amqplib";
import { amqplibDriver } from "../../src/amqp/amqplib_driver.ts";
import type { OutgoingMessage } from "../../src/amqp/driver.ts";
import { FastLane } from "../../src/amqp/fast_lane.ts";
import type { FrameSource } from "../../src/amqp/frame_reader.ts";
import { prepareMessage } from "../../src/send_options.ts";
import { AmqpServer, byte, delivery, longlong, method } from "../support/amqp_server.ts";
import { eventually } from "../support/eventually.ts";
import { RecordingSink } from "../support/recording_sink.ts";
import { linkOptions } from "../support/scripted_driver.ts";
import { WireReader } from "../support/wire_reader.ts";
import { nextTurn } from "../support/next_turn.ts";

/** A connection as amqplib's is, as far as the fast lane looks at it. */
class GoodConnection {
  rest: Buffer = Buffer.alloc(0);
  recvSinceLastCheck = false;
  sentSinceLastCheck = false;
  frameMax = 131_072;
  maxFrameSize = 131_072;
  stream: RecordingSink & FrameSource["stream"] = Object.assign(new RecordingSink(), {
    read: () => this.incoming.shift() ?? null,
    emit: () => true,
  });
  incoming: Buffer[] = [];
  channels: ({ channel: unknown; buffer: { write(frame: Uint8Array): boolean; end(): void } })[] = [
    { channel: {}, buffer: { write: () => true, end: () => this.ended.push(0) } },
  ];
  /** The channels whose own buffers were ended. */
  ended: number[] = [];

  sendMethod(): void {}

  accept(): void {}

  recvFrame(): unknown {
    const size = 8 + this.rest.readUInt32BE(3);
    const frame = this.rest.subarray(0, size);
    this.rest = this.rest.subarray(size);
    return frame;
  }

  /** Opens the next channel. */
  channel(): GoodChannel {
    const channel = new GoodChannel(this.channels.length);
    const { ch } = channel;
    this.channels.push({
      channel,
      buffer: { write: () => true, end: () => this.ended.push(ch) },
    });
    return channel;
  }

  /** The methods that were written, with their channels, each write apart. */
  get written(): string[] {
    return this.stream.writes.map((bytes) =>
      new WireReader().read([...bytes]).filter(({ type }) => type === 1)
        .map(({ channel, payload }) => `${channel}:${payload[3]}`).join(" ")
    );
  }
}

class GoodChannel {
  readonly ch: number;

  constructor(ch: number) {
    this.ch = ch;
  }

  accept(): void {}
}

const PUBLISH = 40, ACK = 80, CLOSE = 50, QOS = 10;
const message: OutgoingMessage = prepareMessage(
  { exchange: "", routingKey: "work", body: "x" },
  () => "id",
);
const NO_EVENTS = {
  confirm: () => {},
  returned: () => {},
  delivery: () => {},
  cancelled: () => {},
  closed: () => {},
};

function laneForTest() {
  const connection = new GoodConnection();
  const lane = FastLane.of(connection);
  assert(lane !== undefined);
  return { connection, lane };
}

Deno.test("FastLane.of is there for a connection that is as expected", () => {
  laneForTest();
});

/** What is looked at, by the path to it, and what it may be instead. */
const INTERNALS: Record<string, unknown[]> = {
  "rest": ["", new Uint8Array()],
  "recvFrame": [{}, true],
  "sendMethod": [{}, true],
  "accept": [{}, true],
  "frameMax": ["131072", null],
  "maxFrameSize": ["131072", null],
  "sentSinceLastCheck": [0, null],
  "stream": [null, {}, () => {}],
  "stream.write": [true],
  "stream.read": [true],
  "stream.emit": [true],
  "channels": [{}, [], [null], new Map(), { 0: new GoodConnection().channels[0] }],
  "channels.0": [null, {}],
  "channels.0.buffer": [null, {}],
  "channels.0.buffer.write": [true],
  "channels.0.buffer.end": [true],
};

for (const [path, others] of Object.entries(INTERNALS)) {
  Deno.test(`FastLane.of is undefined where "${path}" is missing or something else`, () => {
    for (const other of [undefined, ...others]) {
      const connection = new GoodConnection();
      // deno-lint-ignore no-explicit-any
      let owner = connection as any;
      const names = path.split(".");
      for (const name of names.slice(0, -1)) owner = owner[name];
      owner[names.at(-1)!] = other;
      const { recvFrame } = connection;
      assertEquals(FastLane.of(connection), undefined, Deno.inspect(other));
      // And nothing was taken over.
      assertStrictEquals(connection.recvFrame, recvFrame);
    }
  });
}

Deno.test("FastLane.open takes a channel over: what amqplib writes on it takes its place among the rest", async () => {
  const { connection, lane } = laneForTest();
  const owner = connection.channel();
  const channel = lane.open(owner, {})!;
  assertEquals(connection.ended, [1]);
  channel.publish(message);
  connection.channels[1].buffer.write(Uint8Array.from(method(1, "basic.qos")));
  connection.channels[1].buffer.end();
  channel.settle(5, "ack", true);
  assertEquals(connection.written, []);
  await nextTurn();
  assertEquals(connection.written, [`1:${PUBLISH} 1:${QOS} 1:${ACK}`]);
});

Deno.test("FastLane.open is undefined where a channel is not as expected, and takes nothing over", () => {
  const ways: Record<string, (connection: GoodConnection, owner: GoodChannel) => unknown> = {
    "without a number": (_connection, owner) => Object.assign(owner, { ch: undefined }),
    "with a number that is none": (_connection, owner) => Object.assign(owner, { ch: "1" }),
    "without accept": (_connection, owner) => Object.setPrototypeOf(owner, { accept: undefined }),
    "that is closed": (connection) => connection.channels[1] = null as never,
    "whose number is another's": (connection) => connection.channels[1].channel = {},
    "without a buffer": (connection) => connection.channels[1].buffer = undefined as never,
    "whose buffer cannot be written": (connection) =>
      connection.channels[1].buffer.write = undefined as never,
    "whose buffer cannot be ended": (connection) =>
      connection.channels[1].buffer.end = undefined as never,
    "that closes": (_connection, owner) => owner.accept = () => {},
    "whose connection closes": (connection) => connection.sendMethod = () => {},
  };
  for (const [name, change] of Object.entries(ways)) {
    const { connection, lane } = laneForTest();
    const owner = connection.channel();
    change(connection, owner);
    const buffer = connection.channels[1]?.buffer;
    assertEquals(lane.open(owner, {}), undefined, `a channel ${name}`);
    assertStrictEquals(connection.channels[1]?.buffer, buffer);
    assertEquals(connection.ended, []);
  }
});

Deno.test("FastChannel throws an IllegalOperationError while its channel or connection closes, and writes nothing", async () => {
  const closings = [
    (_connection: GoodConnection, owner: GoodChannel) => owner.accept = () => {},
    (connection: GoodConnection) => connection.sendMethod = () => {},
  ];
  for (const close of closings) {
    const { connection, lane } = laneForTest();
    const owner = connection.channel();
    const channel = lane.open(owner, {})!;
    close(connection, owner);
    for (const act of [() => channel.publish(message), () => channel.settle(1, "ack", false)]) {
      assertInstanceOf(assertThrows(act), amqplib.IllegalOperationError);
    }
    await nextTurn();
    assertEquals([connection.written, connection.sentSinceLastCheck], [[], false]);
  }
});

Deno.test("FastLane writes what concerns the connection at once, behind what was collected", async () => {
  const { connection, lane } = laneForTest();
  const channel = lane.open(connection.channel(), {})!;
  channel.publish(message);
  channel.settle(1, "ack", false);
  connection.channels[0].buffer.write(Uint8Array.from(method(0, "connection.close")));
  assertEquals(connection.written.join(" "), `1:${PUBLISH} 1:${ACK} 0:${CLOSE}`);
  await nextTurn();
  assertEquals(connection.written.join(" "), `1:${PUBLISH} 1:${ACK} 0:${CLOSE}`);
  // Its buffer is the socket itself, which is not to be ended.
  connection.channels[0].buffer.end();
  assertEquals(connection.ended, [1]);
});

Deno.test("FastChannel tells the heartbeat that something was sent", () => {
  const acts = [
    (channel: { publish(message: OutgoingMessage): void }) => channel.publish(message),
    (channel: { settle(tag: number, how: "ack", multiple: boolean): void }) =>
      channel.settle(1, "ack", false),
  ];
  for (const act of acts) {
    const { connection, lane } = laneForTest();
    const channel = lane.open(connection.channel(), {})!;
    assertEquals(connection.sentSinceLastCheck, false);
    act(channel);
    assertEquals(connection.sentSinceLastCheck, true);
  }
});

Deno.test("FastChannel.close leaves what arrives to amqplib, but not what is its successor's", () => {
  const { connection, lane } = laneForTest();
  const told: string[] = [];
  const owner = connection.channel();
  const sinkOf = (name: string) => ({ confirm: (tag: number) => void told.push(`${name} ${tag}`) });
  const receive = (tag: number) => {
    connection.incoming.push(
      Buffer.from(method(1, "basic.ack", [...longlong(tag), ...byte(0)])),
    );
    while (connection.recvFrame() !== false) told.push("amqplib");
  };
  const first = lane.open(owner, sinkOf("first"))!;
  receive(1);
  first.close();
  receive(2);
  const second = new GoodChannel(1);
  connection.channels[1] = { channel: second, buffer: connection.channels[1].buffer };
  lane.open(second, sinkOf("second"));
  first.close();
  receive(3);
  assertEquals(told, ["first 1", "amqplib", "second 3"]);
});

/** Runs something on a connection to a server that confirms and delivers. */
async function driven(
  use: (made: {
    server: AmqpServer;
    told: string[];
    publisher: { publish(message: OutgoingMessage): void };
    consumer: { settle(tag: number, how: "ack", multiple?: boolean): void };
  }) => Promise<void>,
): Promise<void> {
  let lastTag = 0;
  await using server = new AmqpServer((client, { name, channel }) => {
    if (name !== "basic.publish") return false;
    client.call(channel, "basic.ack", [...longlong(++lastTag), ...byte(0)]);
    return true;
  });
  const [endpoint] = linkOptions().endpoints;
  const connection = await amqplibDriver.connect(
    {
      endpoint: { ...endpoint, hostname: server.hostname, port: server.port },
      heartbeatSeconds: 60,
      timeoutMs: 5_000,
      connectionName: undefined,
    },
    { closed: () => {}, blocked: () => {}, unblocked: () => {} },
    new AbortController().signal,
  );
  const told: string[] = [];
  const publisher = await connection.openChannel({
    ...NO_EVENTS,
    confirm: (tag, multiple, ok) => void told.push(`confirm ${tag} ${multiple} ${ok}`),
  }, { confirms: true });
  const consumer = await connection.openChannel({
    ...NO_EVENTS,
    delivery: ({ tag, body }) =>
      void told.push(`delivery ${tag} ${new TextDecoder().decode(body)}`),
  }, { confirms: false });
  await consumer.consume("work", "consumer");
  await use({ server, told, publisher, consumer });
  await connection.close(1_000);
}

/** What leads to the same outcome: all there is, no fast lane, and a runtime that knows no `onread`. */
const VARIETIES = [
  { name: "fast", lanes: 1, lends: true },
  { name: "without onread", lanes: 1, lends: false },
  { name: "amqplib alone", lanes: 0, lends: false },
];

Deno.test("amqplibDriver does the same without the fast lane, or without lent memory, as with it", async () => {
  const outcomes: unknown[] = [];
  const { of } = FastLane;
  const { connect } = net;
  for (const { name, lanes, lends } of VARIETIES) {
    let made = 0;
    let lent = 0;
    FastLane.of = (connection) => {
      const lane = lanes > 0 ? of(connection) : undefined;
      if (lane === undefined) return undefined;
      made++;
      const read = lane.read.bind(lane);
      lane.read = (bytes) => {
        lent++;
        read(bytes);
      };
      return lane;
    };
    Reflect.set(net, "connect", (options: object, ...others: unknown[]) => {
      const given = lends ? options : { ...options, onread: undefined };
      return Reflect.apply(connect, net, [given, ...others]);
    });
    try {
      await driven(async ({ server, told, publisher, consumer }) => {
        for (let count = 0; count < 5; count++) publisher.publish(message);
        server.client.send(delivery(2, "consumer", 1, "one"), delivery(2, "consumer", 2, "two"));
        await eventually("all has arrived", () => told.length === 7);
        consumer.settle(2, "ack", true);
        await eventually("it is settled", () => server.client.calls.includes("basic.ack"));
        const calls = server.client.calls.filter((name) => name.startsWith("basic."));
        outcomes.push([told.toSorted(), calls]);
      });
    } finally {
      FastLane.of = of;
      Reflect.set(net, "connect", connect);
    }
    assertEquals([made, lent > 0], [lanes, lends], name);
  }
  assertEquals(outcomes[1], outcomes[0]);
  assertEquals(outcomes[2], outcomes[0]);
});
