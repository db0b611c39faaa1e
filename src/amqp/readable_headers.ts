/**
 * The header of a message as it came. amqplib decodes tables by recursion: one that is nested
 * thousands deep overflows the stack, one of an unknown type throws, and either way the connection is
 * lost with the message undelivered, so that it comes again and costs the next connection too. Here
 * such a frame is read once more without its headers; and as amqplib reads texts, integers and
 * decimals otherwise than they were meant, what it has read is not used where the bytes are at hand.
 */

import { Buffer } from "node:buffer";

/** The parts of amqplib's connection that this works on. Each may be missing in another version. */
interface FrameSource {
  /** What was read from the socket and not decoded yet. */
  rest?: Uint8Array;
  /** The next frame; nothing where none is complete. */
  recvFrame?(): Frame | false;
}

interface Frame {
  readonly fields?: object;
}

const FRAME_HEADER_BYTES = 7;
const HEADER_FRAME = 2;
/** Behind the class, the weight and the size of the body. */
const FLAGS_OFFSET = FRAME_HEADER_BYTES + 12;
const CONTENT_TYPE = 1 << 15;
const CONTENT_ENCODING = 1 << 14;
const HEADERS = 1 << 13;
const FRAME_END = 0xCE;

const headers = new WeakMap<object, Buffer>();

/**
 * The bytes of the header frame that belongs to these properties, behind the size of the body;
 * nothing where amqplib is not as it was.
 */
export function headerOf(properties: object): Buffer | undefined {
  return headers.get(properties);
}

/** Lets a connection live on after headers that cannot be decoded, as far as amqplib allows it. */
export function surviveUnreadableHeaders(source: FrameSource): void {
  const receive = source.recvFrame;
  if (typeof receive !== "function" || !(source.rest instanceof Uint8Array)) return;
  source.recvFrame = () => {
    const before = source.rest!;
    const header = headerFrame(before);
    const receiveNext = () => {
      try {
        return receive.call(source);
      } catch (error) {
        const readable = header && withoutHeaders(header);
        // Taken off the input by now; or else it is not the frame at its head that failed.
        if (readable === undefined || source.rest!.length >= before.length) throw error;
        source.rest = Buffer.concat([readable, source.rest!]);
        return receive.call(source);
      }
    };
    const frame = receiveNext();
    if (header !== undefined && frame !== false && frame.fields !== undefined) {
      headers.set(frame.fields, header.subarray(FLAGS_OFFSET, -1));
    }
    return frame;
  };
}

/** The header frame at the head of some bytes, where there is a whole one. */
function headerFrame(bytes: Uint8Array): Buffer | undefined {
  if (bytes.length < FLAGS_OFFSET + 2 || bytes[0] !== HEADER_FRAME) return undefined;
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = FRAME_HEADER_BYTES + all.readUInt32BE(3) + 1;
  return bytes.length < end || end < FLAGS_OFFSET + 3 ? undefined : all.subarray(0, end);
}

/** The same frame with an empty table of headers, where it has headers. */
function withoutHeaders(bytes: Buffer): Buffer | undefined {
  const end = bytes.length - 1;
  const flags = bytes.readUInt16BE(FLAGS_OFFSET);
  if ((flags & HEADERS) === 0) return undefined;
  let offset = FLAGS_OFFSET + 2;
  for (const text of [CONTENT_TYPE, CONTENT_ENCODING]) {
    if ((flags & text) !== 0) offset += 1 + (bytes[offset] ?? 0);
  }
  if (offset + 4 > end) return undefined;
  const after = offset + 4 + bytes.readUInt32BE(offset);
  if (after > end) return undefined;
  const frame = Buffer.concat([
    bytes.subarray(0, offset),
    new Uint8Array(4),
    bytes.subarray(after, end),
    Uint8Array.of(FRAME_END),
  ]);
  frame.writeUInt32BE(frame.length - FRAME_HEADER_BYTES - 1, 3);
  return frame;
}
