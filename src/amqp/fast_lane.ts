/**
 * A way past amqplib for what is sent and received most often. amqplib opens, closes and guards the
 * connection and its channels as ever; messages, confirms, deliveries and settlements are written and
 * read here, over the same socket and in the same order as everything else.
 *
 * It rests on parts of amqplib that are not in its types. Where one of them is not as expected, there
 * is no fast lane, and amqplib does it all.
 */

import { Buffer } from "node:buffer";
import amqplib from "amqplib";
import type { OutgoingMessage, Settlement } from "./driver.ts";
import { encodePublish, encodeSettlement } from "./encode_frames.ts";
import { FrameReader, type FrameSink, type FrameSource } from "./frame_reader.ts";
import { type ByteSink, FrameWriter } from "./frame_writer.ts";

/** What the frames of a channel are written to. */
interface FrameBuffer {
  write(frame: Uint8Array): boolean;
  end(): void;
}

/** The parts of amqplib's connection that it takes. */
interface Internals extends FrameSource {
  readonly stream: ByteSink & FrameSource["stream"];
  /** By number; 0 is the connection's own. */
  readonly channels: ({ channel: unknown; buffer: FrameBuffer } | null)[];
  readonly frameMax: number;
  /** For the heartbeat: whether anything was sent since it last looked. */
  sentSinceLastCheck: boolean;
  /** Writes a method; another function does, by throwing, from when the connection closes. */
  readonly sendMethod: unknown;
}

/** The parts of amqplib's channel that it looks at. */
interface ChannelInternals {
  readonly ch: number;
  /** Deals with a frame; another function does while the channel closes, and afterwards. */
  readonly accept: unknown;
}

/** The fast lane of one connection. */
export class FastLane {
  /** Whether a channel was not as expected, so that amqplib does it all. */
  missedChannel = false;
  #connection: Internals;
  #writer: FrameWriter;
  #reader: FrameReader;

  private constructor(connection: Internals) {
    this.#connection = connection;
    this.#writer = new FrameWriter(connection.stream);
    this.#reader = new FrameReader(connection);
    // What amqplib says for the connection as a whole goes out at once, behind what was collected:
    // it hangs up right after some of it.
    this.#redirect(0, () => this.#writer.flush());
  }

  /** The fast lane of a connection of amqplib, where that has what is needed. */
  static of(connection: unknown): FastLane | undefined {
    return isAsExpected(connection) ? new FastLane(connection) : undefined;
  }

  /** Takes what was read from the socket, and keeps nothing of that memory when it returns. */
  read(bytes: Buffer): void {
    this.#reader.read(bytes);
  }

  /**
   * Takes over a channel of amqplib that is open and has nothing more to write; `undefined` where it
   * cannot, as that is not as expected, or closed by now.
   */
  open(owner: object, sink: FrameSink): FastChannel | undefined {
    const { ch, accept } = owner as Partial<ChannelInternals>;
    if (typeof ch !== "number" || typeof accept !== "function") return this.#miss();
    const record = this.#connection.channels[ch];
    if (record?.channel !== owner) return undefined;
    if (!isFrameBuffer(record.buffer)) return this.#miss();
    // What closes has functions of its own in place of those of its class.
    if (Object.hasOwn(owner, "accept") || Object.hasOwn(this.#connection, "sendMethod")) {
      return undefined;
    }
    this.#redirect(ch);
    this.#reader.attach(ch, sink);
    const channel = owner as ChannelInternals;
    return new FastChannel(channel, this.#connection, this.#writer, () => {
      this.#reader.detach(ch, sink);
    });
  }

  #miss(): undefined {
    this.missedChannel = true;
  }

  /** From now on the frames that amqplib writes on this channel take their place among ours. */
  #redirect(channel: number, afterwards?: () => void): void {
    const record = this.#connection.channels[channel]!;
    const before = record.buffer;
    record.buffer = {
      write: (frame) => {
        this.#writer.write(frame);
        afterwards?.();
        return true;
      },
      end: () => {},
    };
    if (channel !== 0) before.end();
  }
}

/** The fast lane of one channel. */
export class FastChannel {
  #owner: ChannelInternals;
  #accept: unknown;
  #connection: Internals;
  #sendMethod: unknown;
  #writer: FrameWriter;
  /** Leaves what arrives to amqplib: the channel closes, or is closed. */
  readonly close: () => void;

  constructor(
    owner: ChannelInternals,
    connection: Internals,
    writer: FrameWriter,
    close: () => void,
  ) {
    this.#owner = owner;
    this.#accept = owner.accept;
    this.#connection = connection;
    this.#sendMethod = connection.sendMethod;
    this.#writer = writer;
    this.close = close;
  }

  publish(message: OutgoingMessage): void {
    this.#checkOpen();
    encodePublish(this.#writer, this.#owner.ch, message, this.#connection.frameMax);
    this.#connection.sentSinceLastCheck = true;
  }

  /** Whether the socket may still read from this body. */
  isLent(body: Uint8Array): boolean {
    return this.#writer.isLent(body);
  }

  settle(tag: number, how: Settlement, multiple: boolean): void {
    this.#checkOpen();
    encodeSettlement(this.#writer, this.#owner.ch, tag, how, multiple);
    this.#connection.sentSinceLastCheck = true;
  }

  #checkOpen(): void {
    const { accept } = this.#owner;
    if (accept !== this.#accept || this.#connection.sendMethod !== this.#sendMethod) {
      throw new amqplib.IllegalOperationError("The channel is closed", new Error().stack);
    }
  }
}

function isAsExpected(connection: unknown): connection is Internals {
  const {
    stream,
    channels,
    rest,
    frameMax,
    maxFrameSize,
    recvFrame,
    sentSinceLastCheck,
    sendMethod,
    accept,
  } = connection as Partial<Internals>;
  return Buffer.isBuffer(rest) && typeof recvFrame === "function" &&
    typeof sendMethod === "function" && typeof accept === "function" &&
    typeof stream?.write === "function" && typeof stream.read === "function" &&
    typeof stream.emit === "function" &&
    typeof frameMax === "number" && typeof maxFrameSize === "number" &&
    typeof sentSinceLastCheck === "boolean" && Array.isArray(channels) &&
    isFrameBuffer(channels[0]?.buffer);
}

function isFrameBuffer(buffer: Partial<FrameBuffer> | undefined): boolean {
  return typeof buffer?.write === "function" && typeof buffer.end === "function";
}
