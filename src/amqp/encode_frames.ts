/**
 * The frames that are written most often: messages and settlements (AMQP 0-9-1, sections 2.3.5 and
 * 4.2). Everything else is left to amqplib.
 */

import type { OutgoingMessage, Settlement } from "./driver.ts";
import type { FrameWriter } from "./frame_writer.ts";
import {
  BASIC,
  BASIC_ACK,
  BASIC_NACK,
  BASIC_PUBLISH,
  BASIC_REJECT,
  FLAG,
  FRAME_BODY,
  FRAME_END,
  FRAME_HEAD_BYTES,
  FRAME_HEADER,
  FRAME_METHOD,
  FRAME_OVERHEAD,
} from "./protocol.ts";
import {
  encodeTable,
  putShortText,
  putUint16,
  putUint32,
  putUint64,
  seconds,
} from "./put_values.ts";

const PERSISTENT = 2;
/** More than a message without body and headers can take. */
const MOST_BYTES = 4_096;
const SETTLEMENT_BYTES = 21;
/** Parts of a body above this size are not copied once more. */
const LARGE_BYTES = 16_384;
/**
 * Bodies up to the first size go out in frames of the second: of 100 KB RabbitMQ 4.3 takes in a fifth
 * more then. Of larger bodies it takes in more in the largest frames there may be.
 */
const MEDIUM_BYTES = 262_144;
const MEDIUM_FRAME_BYTES = 65_536;

/** Writes a message: its method, its properties and its body. If it throws, nothing is written. */
export function encodePublish(
  writer: FrameWriter,
  channel: number,
  message: OutgoingMessage,
  frameMax: number,
): void {
  const { body, headers } = message;
  const table = headers && encodeTable(headers);
  writer.reserve(MOST_BYTES + (table?.length ?? 0));
  const { chunk } = writer;

  const methodAt = writer.end;
  let at = putUint32(chunk, methodAt + FRAME_HEAD_BYTES, BASIC_PUBLISH);
  at = putUint16(chunk, at, 0);
  at = putShortText(chunk, at, message.exchange);
  at = putShortText(chunk, at, message.routingKey);
  chunk[at] = message.mandatory ? 1 : 0;
  const headerAt = putFrame(chunk, methodAt, at + 1, FRAME_METHOD, channel);

  at = putProperties(chunk, headerAt + FRAME_HEAD_BYTES, message, table);
  at = putFrame(chunk, headerAt, at, FRAME_HEADER, channel);
  if (at - headerAt > frameMax) {
    throw new RangeError(
      `its properties and headers take ${at - headerAt} bytes, and at most ${frameMax} fit`,
    );
  }
  writer.advance(at);
  const frameBytes = body.length > MEDIUM_BYTES ? frameMax : Math.min(frameMax, MEDIUM_FRAME_BYTES);
  const write = () => encodeBody(writer, channel, body, frameBytes - FRAME_OVERHEAD);
  if (body.length > LARGE_BYTES) writer.inOnePiece(write);
  else write();
}

function encodeBody(writer: FrameWriter, channel: number, body: Uint8Array, partMax: number): void {
  if (Math.min(body.length, partMax) > LARGE_BYTES) writer.lend(body);
  for (let offset = 0; offset < body.length; offset += partMax) {
    const part = body.length <= partMax ? body : body.subarray(offset, offset + partMax);
    const isLarge = part.length > LARGE_BYTES;
    writer.reserve(FRAME_OVERHEAD + (isLarge ? 0 : part.length));
    const start = writer.end;
    let at = start + FRAME_HEAD_BYTES;
    putFrameHead(writer.chunk, start, FRAME_BODY, channel, part.length);
    if (isLarge) {
      writer.advance(at);
      const left = body.length - offset - part.length;
      const isLastLarge = Math.min(left, partMax) <= LARGE_BYTES;
      writer.writeThrough(part, isLastLarge ? body : undefined);
    } else {
      writer.chunk.set(part, at);
      at += part.length;
    }
    writer.chunk[at] = FRAME_END;
    writer.advance(at + 1);
  }
}

/** Writes a settlement: of one delivery, or an acknowledgement of all up to it. */
export function encodeSettlement(
  writer: FrameWriter,
  channel: number,
  tag: number,
  how: Settlement,
  multiple: boolean,
): void {
  writer.reserve(SETTLEMENT_BYTES);
  const { chunk, end: start } = writer;
  const method = how === "ack" ? BASIC_ACK : how === "release" ? BASIC_NACK : BASIC_REJECT;
  let at = putUint32(chunk, start + FRAME_HEAD_BYTES, method);
  at = putUint64(chunk, at, tag);
  // The first bit is "multiple" of an ack or nack, and "requeue" of a reject; a nack has both.
  chunk[at] = how === "release" ? 2 : multiple || how === "requeue" ? 1 : 0;
  writer.advance(putFrame(chunk, start, at + 1, FRAME_METHOD, channel));
}

/** Puts what surrounds the payload of a frame, which is in its place. Returns where the frame ends. */
function putFrame(
  chunk: Uint8Array,
  start: number,
  end: number,
  type: number,
  channel: number,
): number {
  putFrameHead(chunk, start, type, channel, end - start - FRAME_HEAD_BYTES);
  chunk[end] = FRAME_END;
  return end + 1;
}

function putFrameHead(
  chunk: Uint8Array,
  start: number,
  type: number,
  channel: number,
  size: number,
): void {
  chunk[start] = type;
  putUint16(chunk, start + 1, channel);
  putUint32(chunk, start + 3, size);
}

function putProperties(
  chunk: Uint8Array,
  start: number,
  { body, properties }: OutgoingMessage,
  table: Uint8Array | undefined,
): number {
  let at = putUint32(chunk, start, BASIC << 16);
  const flagsAt = putUint64(chunk, at, body.length);
  let flags: number = FLAG.deliveryMode;
  at = flagsAt + 2;
  if (properties.contentType !== undefined) {
    flags |= FLAG.contentType;
    at = putShortText(chunk, at, properties.contentType);
  }
  if (properties.contentEncoding !== undefined) {
    flags |= FLAG.contentEncoding;
    at = putShortText(chunk, at, properties.contentEncoding);
  }
  if (table !== undefined) {
    flags |= FLAG.headers;
    chunk.set(table, at);
    at += table.length;
  }
  chunk[at++] = PERSISTENT;
  if (properties.priority !== undefined) {
    const { priority } = properties;
    if (!(priority >= 0 && priority <= 255)) throw new RangeError(`its priority is ${priority}`);
    flags |= FLAG.priority;
    chunk[at++] = priority;
  }
  if (properties.correlationId !== undefined) {
    flags |= FLAG.correlationId;
    at = putShortText(chunk, at, properties.correlationId);
  }
  if (properties.replyTo !== undefined) {
    flags |= FLAG.replyTo;
    at = putShortText(chunk, at, properties.replyTo);
  }
  if (properties.expirationMs !== undefined) {
    flags |= FLAG.expiration;
    at = putShortText(chunk, at, properties.expirationMs.toString());
  }
  if (properties.messageId !== undefined) {
    flags |= FLAG.messageId;
    at = putShortText(chunk, at, properties.messageId);
  }
  if (properties.timestamp !== undefined) {
    flags |= FLAG.timestamp;
    at = putUint64(chunk, at, seconds(properties.timestamp));
  }
  if (properties.type !== undefined) {
    flags |= FLAG.type;
    at = putShortText(chunk, at, properties.type);
  }
  if (properties.userId !== undefined) {
    flags |= FLAG.userId;
    at = putShortText(chunk, at, properties.userId);
  }
  if (properties.appId !== undefined) {
    flags |= FLAG.appId;
    at = putShortText(chunk, at, properties.appId);
  }
  putUint16(chunk, flagsAt, flags);
  return at;
}
