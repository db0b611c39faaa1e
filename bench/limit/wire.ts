/** A bare socket to the broker, with the least parsing that counts. */

import { Bytes, FRAME_MAX, Method, methodFrame } from "./frames.ts";

/** What is told of what comes in. */
export interface WireEvents {
  /** The next bytes to write, if there are any: asked after each read and after each write. */
  readonly next: () => Uint8Array<ArrayBuffer> | undefined;
  readonly confirmed?: (tag: number, multiple: boolean) => void;
  /** `head` holds the body where that came in one frame; it must not be kept. */
  readonly delivered?: (tag: number, bytes: number, head: Uint8Array, channel: number) => void;
  /** All that one read has brought was told. */
  readonly parsed?: () => void;
  /** The connection is of no use any more. */
  readonly failed: (error: Error) => void;
}

const BUFFER_BYTES = 1024 * 1024;
/** A frame up to this size is read as a whole, so that its body can be looked at. */
const WHOLE_BYTES = 4096;
const NOTHING = new Uint8Array();

/** A connection with some channels, the frames of whose messages do not come mixed. */
export class Wire {
  #conn: Deno.TcpConn;
  #events: WireEvents;
  #buffer = new Uint8Array(BUFFER_BYTES);
  #end = 0;
  #answer = Promise.withResolvers<number>();
  #pumping: Promise<void> | undefined;
  #closing = false;
  /** Bytes of a body frame that are still to come, with the byte that ends it. */
  #skip = 0;
  /** Bytes of the body of the present delivery that are in frames still to come. */
  #left = 0;
  #bytes = 0;
  #tag = 0;
  #channel = 0;
  #head: Uint8Array = NOTHING;

  private constructor(conn: Deno.TcpConn, events: WireEvents) {
    this.#conn = conn;
    this.#events = events;
  }

  static async open(url: string, events: WireEvents, channels = 1): Promise<Wire> {
    const { hostname, port, username, password, pathname } = new URL(url);
    const vhost = decodeURIComponent(pathname.slice(1)) || "/";
    const conn = await Deno.connect({ hostname, port: Number(port || 5672) });
    conn.setNoDelay(true);
    const wire = new Wire(conn, events);
    void wire.#read();
    const login = `\0${decodeURIComponent(username || "guest")}\0${
      decodeURIComponent(password || "guest")
    }`;
    await wire.call(
      new Bytes().raw(new TextEncoder().encode("AMQP")).uint(0x0000_0901, 4).done(),
      Method.connectionStart,
    );
    const startOk = new Bytes().uint(0, 4).shortString("PLAIN").longString(login)
      .shortString("en_US").done();
    await wire.call(methodFrame(0, Method.connectionStartOk, startOk), Method.connectionTune);
    const tuneOk = new Bytes().uint(channels, 2).uint(FRAME_MAX, 4).uint(0, 2).done();
    await wire.write(methodFrame(0, Method.connectionTuneOk, tuneOk));
    const vhostAndReserved = new Bytes().shortString(vhost).uint(0, 2).done();
    await wire.call(
      methodFrame(0, Method.connectionOpen, vhostAndReserved),
      Method.connectionOpenOk,
    );
    for (let channel = 1; channel <= channels; channel++) {
      const open = methodFrame(channel, Method.channelOpen, new Uint8Array(1));
      await wire.call(open, Method.channelOpenOk);
    }
    return wire;
  }

  /** Writes a request and waits for its answer. */
  async call(request: Uint8Array<ArrayBuffer>, answer: number): Promise<void> {
    this.#answer = Promise.withResolvers();
    await this.write(request);
    const method = await this.#answer.promise;
    if (method !== answer) {
      throw new Error(
        `The broker answered ${method.toString(16)} instead of ${answer.toString(16)}`,
      );
    }
  }

  async write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
  }

  /** Writes what there is to write, unless that is under way. */
  pump(): void {
    if (this.#pumping === undefined && !this.#closing) {
      this.#pumping = this.#drain().finally(() => this.#pumping = undefined);
    }
  }

  async #drain(): Promise<void> {
    try {
      for (let bytes; (bytes = this.#events.next()) !== undefined;) await this.write(bytes);
    } catch (error) {
      this.#events.failed(error as Error);
    }
  }

  /** Closes the channel, which the broker answers after all that came before, and the connection. */
  async close(): Promise<void> {
    await this.#pumping;
    await this.#drain();
    this.#closing = true;
    const goodbye = new Bytes().uint(200, 2).shortString("").uint(0, 4).done();
    await this.call(methodFrame(1, Method.channelClose, goodbye), Method.channelCloseOk);
    await this.call(methodFrame(0, Method.connectionClose, goodbye), Method.connectionCloseOk);
    this.#conn.close();
  }

  async #read(): Promise<void> {
    try {
      for (;;) {
        const count = await this.#conn.read(this.#buffer.subarray(this.#end));
        if (count === null) break;
        this.#end += count;
        this.#parse();
        this.#events.parsed?.();
        this.pump();
      }
    } catch (error) {
      if (!this.#closing) this.#events.failed(error as Error);
      return;
    }
    if (!this.#closing) this.#events.failed(new Error("The broker closed the connection"));
  }

  #parse(): void {
    const buffer = this.#buffer;
    const end = this.#end;
    let at = 0;
    for (;;) {
      if (this.#skip > 0) {
        const count = Math.min(this.#skip, end - at);
        at += count;
        this.#skip -= count;
        if (this.#skip > 0) break;
        if (this.#left === 0) this.#delivered();
      }
      if (end - at < 8) break;
      const size = uint32(buffer, at + 3);
      const whole = end - at >= size + 8;
      const payload = at + 7;
      if (buffer[at] === 3) {
        if (!whole && size <= WHOLE_BYTES) break;
        const isAll = size === this.#bytes;
        this.#head = isAll && whole ? buffer.subarray(payload, payload + size) : NOTHING;
        this.#left -= size;
        this.#skip = size + 1;
        at = payload;
        continue;
      }
      if (!whole) break;
      if (buffer[at] === 1) this.#method(uint32(buffer, payload), payload + 4);
      else if (buffer[at] === 2) {
        this.#bytes = this.#left = uint32(buffer, payload + 8);
        if (this.#left === 0) this.#delivered();
      }
      at += size + 8;
    }
    buffer.copyWithin(0, at, end);
    this.#end = end - at;
  }

  #delivered(): void {
    this.#events.delivered?.(this.#tag, this.#bytes, this.#head, this.#channel);
    this.#head = NOTHING;
  }

  #method(method: number, args: number): void {
    const buffer = this.#buffer;
    switch (method) {
      // No tag of a benchmark needs the upper half of its eight bytes.
      case Method.basicAck:
        return this.#events.confirmed?.(uint32(buffer, args + 4), buffer[args + 8] !== 0);
      case Method.basicDeliver:
        this.#tag = uint32(buffer, args + 1 + buffer[args] + 4);
        this.#channel = buffer[args - 10] << 8 | buffer[args - 9];
        return;
      case Method.basicNack:
      case Method.basicReturn:
      case Method.channelClose:
      case Method.connectionClose: {
        const error = new Error(`The broker sent ${method.toString(16)}`);
        this.#answer.promise.catch(() => {});
        this.#answer.reject(error);
        return this.#events.failed(error);
      }
      default:
        this.#answer.resolve(method);
    }
  }
}

function uint32(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3]) >>> 0;
}
