/**
 * Headers that cannot be decoded. amqplib decodes tables by recursion: one that is nested thousands
 * deep overflows the stack, one of an unknown type throws, and either way the connection is lost with
 * the message undelivered, so that it comes again and costs the next connection too. Here the frame
 * is read once more without its headers, and the message goes on with a mark.
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

const unreadable = new WeakMap<object, unknown>();

/** Why the headers that belonged to these properties could not be decoded; nothing where they could. */
export function whyUnreadable(properties: object): unknown {
  return unreadable.get(properties);
}

/** Lets a connection live on after headers that cannot be decoded, as far as amqplib allows it. */
export function surviveUnreadableHeaders(source: FrameSource): void {
  const receive = source.recvFrame;
  if (typeof receive !== "function" || !(source.rest instanceof Uint8Array)) return;
  source.recvFrame = () => {
    const before = source.rest!;
    try {
      return receive.call(source);
    } catch (error) {
      const mended = withoutHeaders(before);
      // Taken off the input by now; or else it is not the frame at its head that failed.
      if (mended === undefined || source.rest!.length >= before.length) throw error;
      source.rest = Buffer.concat([mended, source.rest!]);
      const frame = receive.call(source);
      if (frame !== false && frame.fields !== undefined) unreadable.set(frame.fields, error);
      return frame;
    }
  };
}

/** The frame at the head of some bytes with an empty table of headers, where it has headers. */
function withoutHeaders(bytes: Uint8Array): Buffer | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < FLAGS_OFFSET + 2 || bytes[0] !== HEADER_FRAME) return undefined;
  const end = FRAME_HEADER_BYTES + view.getUint32(3);
  if (bytes.length <= end) return undefined;
  const flags = view.getUint16(FLAGS_OFFSET);
  if ((flags & HEADERS) === 0) return undefined;
  let offset = FLAGS_OFFSET + 2;
  for (const text of [CONTENT_TYPE, CONTENT_ENCODING]) {
    if ((flags & text) !== 0) offset += 1 + (bytes[offset] ?? 0);
  }
  if (offset + 4 > end) return undefined;
  const after = offset + 4 + view.getUint32(offset);
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
