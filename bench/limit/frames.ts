/** The frames of AMQP 0-9-1 that the limit writes, encoded once and in advance. */

/** What the limit asks for, and what RabbitMQ allows by default. */
export const FRAME_MAX = 131_072;

const FRAME_END = 0xce;
const OVERHEAD = 8;
const encoder = new TextEncoder();

/** A method, as its class and its number in one. */
export const Method = {
  connectionStart: 0x000a_000a,
  connectionStartOk: 0x000a_000b,
  connectionTune: 0x000a_001e,
  connectionTuneOk: 0x000a_001f,
  connectionOpen: 0x000a_0028,
  connectionOpenOk: 0x000a_0029,
  connectionClose: 0x000a_0032,
  connectionCloseOk: 0x000a_0033,
  channelOpen: 0x0014_000a,
  channelOpenOk: 0x0014_000b,
  channelClose: 0x0014_0028,
  channelCloseOk: 0x0014_0029,
  basicQos: 0x003c_000a,
  basicQosOk: 0x003c_000b,
  basicConsume: 0x003c_0014,
  basicConsumeOk: 0x003c_0015,
  basicPublish: 0x003c_0028,
  basicReturn: 0x003c_0032,
  basicDeliver: 0x003c_003c,
  basicAck: 0x003c_0050,
  basicNack: 0x003c_0078,
  confirmSelect: 0x0055_000a,
  confirmSelectOk: 0x0055_000b,
} as const;

/** Puts bytes together. */
export class Bytes {
  #parts: Uint8Array<ArrayBuffer>[] = [];

  uint(value: number, size: 1 | 2 | 4): this {
    const bytes = new Uint8Array(size);
    for (let i = 0; i < size; i++) bytes[i] = value >>> (8 * (size - 1 - i));
    return this.raw(bytes);
  }

  long(value: number): this {
    return this.uint(Math.floor(value / 2 ** 32), 4).uint(value >>> 0, 4);
  }

  shortString(text: string): this {
    const bytes = encoder.encode(text);
    return this.uint(bytes.length, 1).raw(bytes);
  }

  longString(text: string): this {
    const bytes = encoder.encode(text);
    return this.uint(bytes.length, 4).raw(bytes);
  }

  raw(bytes: Uint8Array<ArrayBuffer>): this {
    this.#parts.push(bytes);
    return this;
  }

  done(): Uint8Array<ArrayBuffer> {
    const length = this.#parts.reduce((sum, part) => sum + part.length, 0);
    const all = new Uint8Array(length);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }
}

function frame(type: number, channel: number, payload: Uint8Array<ArrayBuffer>) {
  return new Bytes().uint(type, 1).uint(channel, 2).uint(payload.length, 4).raw(payload)
    .uint(FRAME_END, 1).done();
}

/** The frame of a method, with its arguments. */
export function methodFrame(
  channel: number,
  method: number,
  args: Uint8Array<ArrayBuffer> = new Uint8Array(),
): Uint8Array<ArrayBuffer> {
  return frame(1, channel, new Bytes().uint(method, 4).raw(args).done());
}

/** The frame that acknowledges a delivery and all before it on its channel. */
export function ackFrame(channel: number, tag: number): Uint8Array<ArrayBuffer> {
  const frame = ACK.slice();
  const view = new DataView(frame.buffer);
  view.setUint16(1, channel);
  view.setBigUint64(11, BigInt(tag));
  return frame;
}

/** All frames of a message to a queue: persistent, mandatory, with a message id, as everybody's. */
export function messageFrames(
  queue: string,
  body: Uint8Array<ArrayBuffer>,
  messageId: string,
): Uint8Array<ArrayBuffer> {
  const all = new Bytes();
  all.raw(methodFrame(
    1,
    Method.basicPublish,
    new Bytes().uint(0, 2).shortString("").shortString(queue).uint(1, 1).done(),
  ));
  all.raw(frame(
    2,
    1,
    new Bytes().uint(60, 2).uint(0, 2).long(body.length).uint(0x9080, 2)
      .shortString("application/octet-stream").uint(2, 1).shortString(messageId).done(),
  ));
  for (let at = 0; at < body.length; at += FRAME_MAX - OVERHEAD) {
    all.raw(frame(3, 1, body.subarray(at, at + FRAME_MAX - OVERHEAD)));
  }
  return all.done();
}

const ACK = methodFrame(1, Method.basicAck, new Bytes().long(0).uint(1, 1).done());
