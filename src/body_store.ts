const SLAB_BYTES = 64 * 1024;
/** Bodies above this size have memory of their own. */
const SMALL_BYTES = 4 * 1024;

/** How much memory of large bodies is kept for others, and in how many pieces at most. */
const MOST_SPARE_BYTES = 16 * 1024 * 1024;
const MOST_SPARES = 256;
/** How many of them are looked at: those that came back last, which the processor still holds. */
const MOST_LOOKS = 8;

const encoder = new TextEncoder();
let slab = new Uint8Array();
let used = 0;
let spares: ArrayBufferLike[] = [];
let spareBytes = 0;

/** Room for a small body, in memory that many share: memory of its own costs more than the copy. */
function room(length: number): Uint8Array {
  if (used + length > slab.length) {
    slab = new Uint8Array(SLAB_BYTES);
    used = 0;
  }
  return slab.subarray(used, used += length);
}

/** A copy of a body, which the program cannot change any more. */
export function copyBody(body: Uint8Array): Uint8Array {
  const copy = body.length > SMALL_BYTES ? spareRoom(body.length) : room(body.length);
  // Memory that is new need not be emptied first if it is made from what goes into it.
  if (copy === undefined) return new Uint8Array(body);
  copy.set(body);
  return copy;
}

/** Whether the memory of a body may be given back: what is as small as a slab may be one. */
export function isWorthKeeping({ buffer: { byteLength } }: Uint8Array): boolean {
  return byteLength > SLAB_BYTES && byteLength <= MOST_SPARE_BYTES;
}

/**
 * Takes the memory of a body back, for others. The first touch of new memory costs more than the copy.
 *
 * @param body One that was made here and {@linkcode isWorthKeeping}, that is needed no more, and that
 * nobody else has.
 */
export function giveBack({ buffer }: Uint8Array): void {
  const { byteLength } = buffer;
  spares.push(buffer);
  spareBytes += byteLength;
  while (spareBytes > MOST_SPARE_BYTES || spares.length > MOST_SPARES) {
    spareBytes -= spares.shift()!.byteLength;
  }
}

/** Lets go of the memory that was given back. */
export function dropSpares(): void {
  spares = [];
  spareBytes = 0;
}

/** Memory that was given back, if some fits and not much of it is wasted. */
function spareRoom(length: number): Uint8Array | undefined {
  const last = spares.length - 1;
  for (let index = last; index >= 0 && index > last - MOST_LOOKS; index--) {
    const { byteLength } = spares[index];
    if (byteLength < length || byteLength > 2 * length) continue;
    spareBytes -= byteLength;
    return new Uint8Array(spares.splice(index, 1)[0], 0, length);
  }
  return undefined;
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
export function ownBody(body: Uint8Array): Uint8Array<ArrayBuffer> {
  // All that are empty may be the same.
  return hasOwnMemory(body) && body.byteLength > 0 ? body : new Uint8Array(body);
}

function hasOwnMemory(body: Uint8Array): body is Uint8Array<ArrayBuffer> {
  return body.byteLength === body.buffer.byteLength && body.buffer instanceof ArrayBuffer;
}
