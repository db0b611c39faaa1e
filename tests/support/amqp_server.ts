/**
 * A server that speaks just enough AMQP 0-9-1 to be connected to, and misbehaves by script: for what
 * no real broker can be brought to do.
 */

import { delay } from "@std/async/delay";
import type { Certificate } from "./certificates.ts";

/** The methods that are spoken of, by their numbers of class and method. */
const METHODS = {
  "connection.start": [10, 10],
  "connection.start-ok": [10, 11],
  "connection.tune": [10, 30],
  "connection.tune-ok": [10, 31],
  "connection.open": [10, 40],
  "connection.open-ok": [10, 41],
  "connection.close": [10, 50],
  "connection.close-ok": [10, 51],
  "connection.blocked": [10, 60],
  "connection.unblocked": [10, 61],
  "channel.open": [20, 10],
  "channel.open-ok": [20, 11],
  "channel.close": [20, 40],
  "channel.close-ok": [20, 41],
  "queue.declare": [50, 10],
  "queue.declare-ok": [50, 11],
  "queue.bind": [50, 20],
  "queue.bind-ok": [50, 21],
  "queue.delete": [50, 40],
  "queue.delete-ok": [50, 41],
  "basic.qos": [60, 10],
  "basic.qos-ok": [60, 11],
  "basic.consume": [60, 20],
  "basic.consume-ok": [60, 21],
  "basic.cancel": [60, 30],
  "basic.cancel-ok": [60, 31],
  "basic.publish": [60, 40],
  "basic.return": [60, 50],
  "basic.deliver": [60, 60],
  "basic.ack": [60, 80],
  "basic.reject": [60, 90],
  "basic.nack": [60, 120],
  "confirm.select": [85, 10],
  "confirm.select-ok": [85, 11],
} as const;

/** The name of a method, such as `basic.publish`. */
export type MethodName = keyof typeof METHODS;

const NAMES = new Map(
  Object.entries(METHODS).map(([name, [group, method]]) => [group << 16 | method, name]),
) as Map<number, MethodName>;

const encoder = new TextEncoder();

/** Whole numbers of so many bytes, the highest first. */
export const byte = (value: number): number[] => [value & 255];
export const short = (value: number): number[] => [...byte(value >> 8), ...byte(value)];
export const long = (value: number): number[] => [...short(value >>> 16), ...short(value)];
export const longlong = (value: number): number[] => [...long(0), ...long(value)];
/** Texts behind a length of one byte, and of four. */
export const shortstr = (text: string): number[] => {
  const bytes = encoder.encode(text);
  return [bytes.length, ...bytes];
};
export const longstr = (text: string): number[] => {
  const bytes = encoder.encode(text);
  return [...long(bytes.length), ...bytes];
};

/** A frame: type 1 is a method, 2 a header, 3 a part of a body, 8 a heartbeat. */
export function frame(type: number, channel: number, payload: readonly number[]): number[] {
  return [type, ...short(channel), ...long(payload.length), ...payload, 0xCE];
}

/** The frame of a method. */
export function method(channel: number, name: MethodName, args: readonly number[] = []): number[] {
  const [group, number] = METHODS[name];
  return frame(1, channel, [...short(group), ...short(number), ...args]);
}

/** The frames of a delivery without properties. */
export function delivery(channel: number, consumerTag: string, tag: number, body = "x"): number[] {
  const bytes = encoder.encode(body);
  return [
    ...method(channel, "basic.deliver", [
      ...shortstr(consumerTag),
      ...longlong(tag),
      ...byte(0),
      ...shortstr(""),
      ...shortstr("work"),
    ]),
    ...frame(2, channel, [...short(60), ...short(0), ...longlong(bytes.length), ...short(0)]),
    ...frame(3, channel, [...bytes]),
  ];
}

/** The arguments of `connection.close` and `channel.close`. */
export function closing(code: number, text: string): number[] {
  return [...short(code), ...shortstr(text), ...short(0), ...short(0)];
}

/** A method that the client called. */
export interface Call {
  readonly name: MethodName;
  readonly channel: number;
  /** What follows the numbers of the method. */
  readonly args: Uint8Array;
}

/** Answers a call in place of the server; `false` leaves it to the server. */
export type Answer = (client: AmqpClient, call: Call) => boolean;

/** One connection of a client. */
export class AmqpClient {
  /** What it has called so far. */
  readonly calls: MethodName[] = [];
  /** The consumer tags it gave, by channel. */
  readonly consumerTags: Map<number, string> = new Map();
  /** Called with each message that it publishes: the payload of its header frame, and its body. */
  received: (channel: number, header: Uint8Array, body: Uint8Array) => void = () => {};
  /** Whether to go on writing after the client has closed its half, until that fails. */
  stubborn = false;
  /** Resolves when its connection has ended. */
  readonly ended: Promise<void>;
  #open = true;
  #socket: Deno.Conn;
  #answer: Answer;
  #writing: Promise<unknown> = Promise.resolve();
  #header = new Uint8Array();
  #body = new Uint8Array();
  #bodyEnd = 0;

  constructor(socket: Deno.Conn, answer: Answer, greet: boolean) {
    this.#socket = socket;
    this.#answer = answer;
    this.ended = this.#read(greet);
  }

  /** Writes bytes in one piece. */
  send(...parts: readonly (readonly number[])[]): void {
    const bytes = new Uint8Array(parts.flat());
    this.#writing = this.#writing.then(async () => {
      for (let sent = 0; sent < bytes.length;) {
        sent += await this.#socket.write(bytes.subarray(sent));
      }
    }).catch(() => {}); // The client has gone.
  }

  /** Lets a moment pass between what was written and what will be. */
  pause(): void {
    this.#writing = this.#writing.then(() => delay(0));
  }

  /** Resolves when all is written that was to be. */
  get written(): Promise<unknown> {
    return this.#writing;
  }

  /** Writes one method. */
  call(channel: number, name: MethodName, args: readonly number[] = []): void {
    this.send(method(channel, name, args));
  }

  /** Closes the socket after what was written. */
  async end(): Promise<void> {
    await this.#writing;
    if (!this.#open) return;
    this.#open = false;
    this.#socket.close();
  }

  /** Answers as a well-behaved server does. */
  behave({ name, channel, args }: Call): void {
    switch (name) {
      case "connection.start-ok":
        return this.call(0, "connection.tune", [...short(100), ...long(131_072), ...short(60)]);
      case "connection.open":
        return this.call(0, "connection.open-ok", shortstr(""));
      case "channel.open":
        return this.call(channel, "channel.open-ok", longstr(""));
      case "queue.declare":
        return this.call(channel, "queue.declare-ok", [
          ...shortstr("declared"),
          ...long(0),
          ...long(0),
        ]);
      case "queue.delete":
        return this.call(channel, "queue.delete-ok", long(0));
      case "basic.consume":
        return this.call(channel, "basic.consume-ok", shortstr(this.consumerTags.get(channel)!));
      case "basic.cancel":
        return this.call(channel, "basic.cancel-ok", [...args.subarray(0, args[0] + 1)]);
      case "connection.close":
      case "channel.close":
      case "queue.bind":
      case "basic.qos":
      case "confirm.select":
        return this.call(channel, `${name}-ok`);
    }
  }

  async #read(greet: boolean): Promise<void> {
    let rest = new Uint8Array();
    let greeted = !greet;
    const chunk = new Uint8Array(64 * 1024);
    try {
      for (let length; (length = await this.#socket.read(chunk)) !== null;) {
        const bytes = new Uint8Array(rest.length + length);
        bytes.set(rest);
        bytes.set(chunk.subarray(0, length), rest.length);
        rest = bytes;
        if (!greeted && rest.length >= 8) {
          greeted = true;
          rest = rest.slice(8);
          this.call(0, "connection.start", [
            ...byte(0),
            ...byte(9),
            ...long(0),
            ...longstr("PLAIN"),
            ...longstr("en_US"),
          ]);
        }
        if (greet) rest = this.#takeFrames(rest);
      }
      while (this.stubborn) {
        await this.#socket.write(new Uint8Array(frame(8, 0, [])));
        await delay(10);
      }
    } catch {
      // Either side has closed the socket.
    }
    await this.end();
  }

  /** Deals with the frames that are complete; returns the rest. */
  #takeFrames(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    let start = 0;
    while (bytes.length - start >= 8) {
      const view = new DataView(bytes.buffer, start);
      const size = view.getUint32(3);
      if (bytes.length - start < size + 8) break;
      const name = size < 4 ? undefined : NAMES.get(view.getUint32(7));
      if (view.getUint8(0) === 1 && name !== undefined) {
        const args = bytes.slice(start + 11, start + 7 + size);
        this.#called({ name, channel: view.getUint16(1), args });
      }
      const type = view.getUint8(0);
      const payload = bytes.slice(start + 7, start + 7 + size);
      if (type === 2 || type === 3) this.#content(type, view.getUint16(1), payload);
      start += size + 8;
    }
    return bytes.slice(start);
  }

  #content(type: 2 | 3, channel: number, payload: Uint8Array<ArrayBuffer>): void {
    if (type === 2) {
      this.#header = payload;
      this.#body = new Uint8Array(Number(new DataView(payload.buffer).getBigUint64(4)));
      this.#bodyEnd = 0;
    } else {
      this.#body.set(payload, this.#bodyEnd);
      this.#bodyEnd += payload.length;
    }
    if (this.#bodyEnd === this.#body.length) this.received(channel, this.#header, this.#body);
  }

  #called(call: Call): void {
    this.calls.push(call.name);
    if (call.name === "basic.consume") {
      const at = 3 + call.args[2];
      const tag = call.args.subarray(at + 1, at + 1 + call.args[at]);
      this.consumerTags.set(call.channel, new TextDecoder().decode(tag));
    }
    if (!this.#answer(this, call)) this.behave(call);
  }
}

/** A server on a free port. */
export class AmqpServer implements AsyncDisposable {
  readonly hostname = "127.0.0.1";
  readonly port: number;
  /** Those who have connected, in order. */
  readonly clients: AmqpClient[] = [];
  /** Answers calls in place of the server; changed by tests while they run. */
  answer: Answer;
  #listener: Deno.Listener;
  #accepting: Promise<void>;

  /**
   * @param answer What it does otherwise than a well-behaved server.
   * @param options `greet`: whether it speaks AMQP; if not it says nothing by itself. `accepted`:
   * called for each client. `certificate`: has it speak TLS.
   */
  constructor(
    answer: Answer = () => false,
    options: {
      greet?: boolean;
      accepted?(client: AmqpClient): void;
      certificate?: Certificate;
    } = {},
  ) {
    this.answer = answer;
    const address = { hostname: this.hostname, port: 0 };
    this.#listener = options.certificate === undefined
      ? Deno.listen(address)
      : Deno.listenTls({ ...address, ...options.certificate });
    this.port = (this.#listener.addr as Deno.NetAddr).port;
    this.#accepting = this.#accept(options.greet ?? true, options.accepted);
  }

  /** The client that connected last. */
  get client(): AmqpClient {
    return this.clients[this.clients.length - 1];
  }

  async #accept(greet: boolean, accepted: ((client: AmqpClient) => void) | undefined) {
    for await (const socket of this.#listener) {
      // What is written in pieces is to arrive in pieces.
      if ("setNoDelay" in socket) (socket as Deno.TcpConn).setNoDelay(true);
      const client = new AmqpClient(socket, (...call) => this.answer(...call), greet);
      this.clients.push(client);
      accepted?.(client);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    for (const client of this.clients) {
      await client.end();
      await client.ended;
    }
  }
}
