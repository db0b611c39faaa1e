/**
 * Takes the frames that come most often, deliveries and confirms, straight off the input of an
 * amqplib connection, without the objects and events that amqplib makes of each. All other frames
 * are left to amqplib, in their order.
 */

import { Buffer } from "node:buffer";
import type { ChannelEvents } from "./driver.ts";
import {
  BASIC,
  BASIC_ACK,
  BASIC_DELIVER,
  BASIC_NACK,
  FRAME_BODY,
  FRAME_END,
  FRAME_HEAD_BYTES,
  FRAME_HEADER,
  FRAME_METHOD,
  FRAME_OVERHEAD,
} from "./protocol.ts";
import { WireDelivery } from "./wire_delivery.ts";

/** The parts of amqplib's connection that are read from. */
export interface FrameSource {
  /** What was read from the socket and not decoded yet. */
  rest: Buffer;
  readonly maxFrameSize: number;
  /** By number; `null` where there was a channel, and is none. */
  readonly channels?: readonly unknown[];
  /** For the heartbeat: whether anything was received since it last looked. */
  recvSinceLastCheck: boolean;
  readonly stream: { read(): Buffer | null; emit(event: "readable"): boolean };
  /** The next frame that amqplib is to deal with; `false` where none is complete. */
  recvFrame(): unknown;
  /** Deals with a frame; another function does while the connection closes, and afterwards. */
  readonly accept: unknown;
}

/** Whom the frames of a channel are for; what nobody takes is left to amqplib. */
export type FrameSink = Partial<Pick<ChannelEvents, "confirm" | "delivery">>;

interface Receiver {
  readonly sink: FrameSink;
  /** The delivery of which not all has come. */
  delivery: WireDelivery | undefined;
}

/** So much is copied at once of what must be kept, as the body of a message is part of it. */
const SLICE_BYTES = 32 * 1024;
/** The body in a frame larger than this is copied to where it belongs at once. */
const LARGE_BYTES = 4 * 1024;
const NOTHING = Buffer.alloc(0);

/** Reads in place of amqplib; see above. */
export class FrameReader {
  #source: FrameSource;
  #others: () => unknown;
  #accept: unknown;
  #receivers: (Receiver | undefined)[] = [];
  /** What was lent and not taken yet. */
  #lent: Buffer | undefined;
  /** The frame of a body that is being taken as it comes. */
  #partial: { readonly receiver: Receiver; left: number } | undefined;

  constructor(source: FrameSource) {
    this.#source = source;
    this.#others = source.recvFrame;
    this.#accept = source.accept;
    source.recvFrame = () => this.#receive();
  }

  /** From now on takes the frames of a channel. */
  attach(channel: number, sink: FrameSink): void {
    this.#receivers[channel] = { sink, delivery: undefined };
  }

  /** Leaves the frames of a channel to amqplib again, unless they are somebody else's by now. */
  detach(channel: number, sink: FrameSink): void {
    const receiver = this.#receivers[channel];
    if (receiver?.sink !== sink) return;
    this.#receivers[channel] = undefined;
    // What is still to come of its frame is passed over, and handed to nobody.
    receiver.delivery = undefined;
  }

  /** Takes what was read from the socket, and keeps nothing of that memory when it returns. */
  read(bytes: Buffer): void {
    const source = this.#source;
    this.#lent = bytes;
    try {
      source.stream.emit("readable"); // It makes amqplib ask for frames.
    } finally {
      // Where amqplib could not deal with one, the others wait until it asks again.
      if (this.#lent.length > 0) source.rest = joined(source.rest, this.#lent);
      this.#lent = undefined;
    }
  }

  #receive(): unknown {
    const source = this.#source;
    let bytes = source.rest;
    let at = 0;
    for (;;) {
      at = this.#takePartial(bytes, at);
      while (this.#partial === undefined && bytes.length - at >= FRAME_HEAD_BYTES) {
        const size = bytes.readUInt32BE(at + 3);
        const end = at + size + FRAME_OVERHEAD;
        const tooLarge = this.#isTooLarge(size);
        if (end > bytes.length && !tooLarge) {
          at = this.#beginPartial(bytes, at, size);
          break;
        }
        if (tooLarge || bytes[end - 1] !== FRAME_END || !this.#take(bytes, at, end - 1)) {
          source.rest = bytes.subarray(at);
          return this.#others.call(source);
        }
        at = end;
      }
      const rest = at === 0 ? bytes : bytes.subarray(at);
      const more = this.#lent === undefined ? this.#streamed(rest) : this.#borrowed(rest);
      if (more === undefined) {
        source.rest = rest;
        return false;
      }
      bytes = more;
      at = 0;
    }
  }

  /** The rest with what came through the stream behind it; nothing where nothing came. */
  #streamed(rest: Buffer): Buffer | undefined {
    const incoming = this.#source.stream.read();
    if (incoming === null) return undefined;
    this.#source.recvSinceLastCheck = true;
    return rest.length === 0 ? compact(incoming) : joined(rest, incoming);
  }

  /** The rest with a part of what was lent behind it; nothing where all is taken. */
  #borrowed(rest: Buffer): Buffer | undefined {
    const bytes = this.#lent!;
    this.#lent = NOTHING; // Where this throws, nobody can say what the others are.
    let at = 0;
    if (rest.length === 0) {
      at = this.#takePartial(bytes, at);
      while (this.#partial === undefined && this.#isLargeBody(bytes, at)) {
        at = this.#beginPartial(bytes, at, bytes.readUInt32BE(at + 3));
      }
    }
    this.#source.recvSinceLastCheck = true;
    const end = Math.min(at + SLICE_BYTES, bytes.length);
    this.#lent = bytes.subarray(end);
    return at === bytes.length ? undefined : joined(rest, bytes.subarray(at, end));
  }

  /** Whether a large piece of a body begins here that need not come as a whole. */
  #isLargeBody(bytes: Buffer, at: number): boolean {
    if (bytes[at] !== FRAME_BODY || bytes.length - at < FRAME_HEAD_BYTES) return false;
    const size = bytes.readUInt32BE(at + 3);
    return size > LARGE_BYTES && !this.#isTooLarge(size) &&
      this.#receiverOf(bytes, at)?.delivery !== undefined;
  }

  #isTooLarge(size: number): boolean {
    const { maxFrameSize } = this.#source;
    return maxFrameSize > 0 && size > maxFrameSize;
  }

  /** Where a frame of a body has come in part: takes that part, so that no frame is put together. */
  #beginPartial(bytes: Buffer, at: number, size: number): number {
    const receiver = this.#receiverOf(bytes, at);
    if (receiver?.delivery === undefined || bytes[at] !== FRAME_BODY) return at;
    checkBody(receiver.delivery, size);
    this.#partial = { receiver, left: size };
    return this.#takePartial(bytes, at + FRAME_HEAD_BYTES);
  }

  /** Takes what has come of the frame that is being taken in parts. Returns where the rest begins. */
  #takePartial(bytes: Buffer, at: number): number {
    const partial = this.#partial;
    if (partial === undefined) return at;
    const { receiver } = partial;
    const end = Math.min(at + partial.left, bytes.length);
    if (end > at) {
      partial.left -= end - at;
      receiver.delivery?.copyToBody(bytes.subarray(at, end));
    }
    if (partial.left > 0 || end === bytes.length) return end;
    if (bytes[end] !== FRAME_END) throw new Error("The broker sent a frame without an end");
    this.#partial = undefined;
    if (receiver.delivery?.missing === 0) deliver(receiver, receiver.delivery);
    return end + 1;
  }

  #receiverOf(bytes: Buffer, at: number): Receiver | undefined {
    return this.#receivers[bytes[at + 1] << 8 | bytes[at + 2]];
  }

  /**
   * Whether it is part of a delivery on a channel that is closed: some versions of RabbitMQ send one
   * after they have closed it, and amqplib would give up the whole connection. It is passed over.
   */
  #isStray(bytes: Buffer, at: number): boolean {
    if (this.#source.channels?.[bytes[at + 1] << 8 | bytes[at + 2]] !== null) return false;
    const type = bytes[at];
    return type === FRAME_HEADER || type === FRAME_BODY ||
      type === FRAME_METHOD && bytes.readUInt32BE(at + FRAME_HEAD_BYTES) === BASIC_DELIVER;
  }

  /** Deals with one frame, whose payload ends at `end`; `false` where it is one for amqplib. */
  #take(bytes: Buffer, at: number, end: number): boolean {
    const receiver = this.#receiverOf(bytes, at);
    if (this.#source.accept !== this.#accept) return false;
    if (receiver === undefined) return this.#isStray(bytes, at);
    const payload = at + FRAME_HEAD_BYTES;
    switch (bytes[at]) {
      case FRAME_METHOD:
        return takeMethod(receiver, bytes, payload, end);
      case FRAME_HEADER:
        return takeHeader(receiver, bytes, payload, end);
      case FRAME_BODY:
        return takeBody(receiver, bytes, payload, end);
      default:
        return false;
    }
  }
}

function takeMethod(receiver: Receiver, bytes: Buffer, at: number, end: number): boolean {
  if (end - at < 4) return false;
  const { sink } = receiver;
  const method = bytes.readUInt32BE(at);
  switch (method) {
    case BASIC_ACK:
    case BASIC_NACK:
      if (end - at < 13 || sink.confirm === undefined) return false;
      sink.confirm(readUint64(bytes, at + 4), (bytes[at + 12] & 1) === 1, method === BASIC_ACK);
      return true;
    case BASIC_DELIVER: {
      if (sink.delivery === undefined) return false;
      if (receiver.delivery !== undefined) throw outOfOrder("a delivery");
      const tagAt = at + 5 + bytes[at + 4];
      const exchangeAt = tagAt + 9;
      const keyAt = exchangeAt + 1 + bytes[exchangeAt];
      if (!(keyAt + 1 + bytes[keyAt] <= end)) return false;
      const redelivered = (bytes[tagAt + 8] & 1) === 1;
      receiver.delivery = new WireDelivery(
        readUint64(bytes, tagAt),
        redelivered,
        bytes,
        exchangeAt,
      );
      return true;
    }
    default:
      return false;
  }
}

function takeHeader(receiver: Receiver, bytes: Buffer, at: number, end: number): boolean {
  const { delivery } = receiver;
  // Without a delivery before it, it belongs to a message that was returned.
  if (delivery === undefined || end - at < 14 || bytes.readUInt16BE(at) !== BASIC) return false;
  if (delivery.hasHeader) throw outOfOrder("a header");
  delivery.setHeader(bytes.subarray(at + 12, end), readUint64(bytes, at + 4));
  if (delivery.missing === 0) deliver(receiver, delivery);
  return true;
}

function takeBody(receiver: Receiver, bytes: Buffer, at: number, end: number): boolean {
  const { delivery } = receiver;
  if (delivery === undefined) return false;
  checkBody(delivery, end - at);
  delivery.addToBody(bytes.subarray(at, end));
  if (delivery.missing === 0) deliver(receiver, delivery);
  return true;
}

/** Whether so much of a body is due. */
function checkBody(delivery: WireDelivery, length: number): void {
  if (!delivery.hasHeader || length > delivery.missing) throw outOfOrder("more of a body");
}

/** What was received, without the unused rest of its memory: a message may be kept for long. */
function compact(bytes: Buffer): Buffer {
  return bytes.length > bytes.buffer.byteLength / 2 ? bytes : joined(NOTHING, bytes);
}

/** Both in memory of their own. */
function joined(one: Buffer, other: Buffer): Buffer {
  const both = Buffer.allocUnsafeSlow(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}

/** It costs the connection, as nobody can say any more which frame belongs to which message. */
function outOfOrder(what: string): Error {
  return new Error(`The broker sent ${what} when none was due`);
}

function deliver(receiver: Receiver, delivery: WireDelivery): void {
  receiver.delivery = undefined;
  receiver.sink.delivery!(delivery);
}

/** A tag or size; none reaches 2^53. */
function readUint64(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}
