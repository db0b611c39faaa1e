const SLAB_BYTES = 64 * 1024;
/** Bodies above this size have memory of their own. */
const SMALL_BYTES = 4 * 1024;

const encoder = new TextEncoder();
let slab = new Uint8Array();
let used = 0;

/** Room for so many bytes, which small bodies share: memory of its own costs more than the copy. */
function room(length: number): Uint8Array {
  if (length > SMALL_BYTES) return new Uint8Array(length);
  if (used + length > slab.length) {
    slab = new Uint8Array(SLAB_BYTES);
    used = 0;
  }
  return slab.subarray(used, used += length);
}

/** A copy of a body, which the program cannot change any more. */
export function copyBody(body: Uint8Array): Uint8Array {
  const copy = room(body.length);
  copy.set(body);
  return copy;
}

/** A text in UTF-8. */
export function encodeText(text: string): Uint8Array {
  // A character takes three bytes at most.
  if (text.length * 3 > SMALL_BYTES) return encoder.encode(text);
  const start = room(text.length * 3);
  const { written } = encoder.encodeInto(text, start);
  used -= start.length - written;
  return start.subarray(0, written);
}

/** A body in memory that it shares with nothing, so that the program may transfer it to a worker. */
export function ownBody(body: Uint8Array): Uint8Array {
  const { byteLength } = body;
  // All that are empty may be the same.
  return byteLength > 0 && byteLength === body.buffer.byteLength ? body : new Uint8Array(body);
}
