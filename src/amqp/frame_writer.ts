/**
 * Collects the frames of a connection and writes them to its socket together, at the end of the turn
 * in which they were made: a system call for each message costs more than the message does.
 */

import { Buffer } from "node:buffer";
import { TurnEnd } from "../turn_end.ts";

/** What a writer needs of a socket. */
export interface ByteSink {
  /** @param done Called when it needs the bytes no more, with an error where they were not written. */
  write(bytes: Uint8Array, done?: (error?: Error | null) => void): unknown;
  readonly writable?: boolean;
  /** Keeps back what is written from here on, until it is to go out in one piece. */
  cork?(): void;
  uncork?(): void;
}

const CHUNK_BYTES = 64 * 1024;
/** How many chunks are kept for later that are not in use. */
const MOST_SPARE = 4;

/** Memory that frames are put into. */
interface Chunk {
  readonly bytes: Buffer;
  /** How many writes of parts of it are under way. */
  writing: number;
}

/** Bytes on their way to a socket, in order. */
export class FrameWriter {
  /** The end of what was collected. */
  end = 0;
  #sink: ByteSink;
  #chunk: Chunk = newChunk(CHUNK_BYTES);
  /** The end of what was handed to the socket. */
  #flushed = 0;
  #spare: Chunk[] = [];
  #turnEnd = new TurnEnd(() => this.flush());
  /** What was handed over without a copy and is not written yet, and how often. */
  #lent = new Map<Uint8Array, number>();

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /** Where to put what comes next: from {@linkcode end} on, as far as {@linkcode reserve} made room. */
  get chunk(): Buffer {
    return this.#chunk.bytes;
  }

  /** Makes room for so many bytes. */
  reserve(length: number): void {
    if (this.end + length <= this.#chunk.bytes.length) return;
    this.flush();
    const before = this.#chunk;
    this.#chunk = (length <= CHUNK_BYTES ? this.#spare.pop() : undefined) ??
      newChunk(Math.max(CHUNK_BYTES, length));
    this.#flushed = this.end = 0;
    this.#keep(before);
  }

  /** What was put into the chunk now ends here. */
  advance(end: number): void {
    this.end = end;
    this.#turnEnd.await();
  }

  /** Collects bytes that are there already. */
  write(bytes: Uint8Array): boolean {
    if (bytes.length > CHUNK_BYTES) {
      this.writeThrough(bytes);
      return true;
    }
    this.reserve(bytes.length);
    this.chunk.set(bytes, this.end);
    this.advance(this.end + bytes.length);
    return true;
  }

  /** What is written meanwhile goes to the system in one piece. */
  inOnePiece(write: () => void): void {
    this.#sink.cork?.();
    try {
      write();
      this.flush();
    } finally {
      this.#sink.uncork?.();
    }
  }

  /**
   * Puts large bytes behind what was collected, without a copy: they must not change any more.
   *
   * @param whole What they are the last part of, where somebody may ask whether it {@linkcode isLent}.
   */
  writeThrough(bytes: Uint8Array, whole?: Uint8Array): void {
    this.flush();
    if (this.#sink.writable === false) return;
    if (whole === undefined) return void this.#sink.write(bytes);
    this.#sink.write(bytes, (error) => {
      if (error) return; // Who knows whether the system still reads from it.
      const left = this.#lent.get(whole)! - 1;
      if (left === 0) this.#lent.delete(whole);
      else this.#lent.set(whole, left);
    });
  }

  /** Bytes are about to be handed over in parts, of which the last is named as such. */
  lend(bytes: Uint8Array): void {
    this.#lent.set(bytes, (this.#lent.get(bytes) ?? 0) + 1);
  }

  /** Whether the socket may still read from these bytes. */
  isLent(bytes: Uint8Array): boolean {
    return this.#lent.has(bytes);
  }

  /** Writes what was collected. */
  flush(): void {
    if (this.end === this.#flushed) return;
    const chunk = this.#chunk;
    const bytes = chunk.bytes.subarray(this.#flushed, this.end);
    this.#flushed = this.end;
    if (this.#sink.writable === false) return;
    chunk.writing++;
    this.#sink.write(bytes, (error) => {
      if (error) return; // Who knows whether the system still reads from it.
      chunk.writing--;
      if (chunk !== this.#chunk) this.#keep(chunk);
      else if (chunk.writing === 0 && this.end === this.#flushed) this.#flushed = this.end = 0;
    });
  }

  /** Keeps a chunk for later that is used no more. */
  #keep(chunk: Chunk): void {
    const isUsual = chunk.bytes.length === CHUNK_BYTES;
    if (isUsual && chunk.writing === 0 && this.#spare.length < MOST_SPARE) this.#spare.push(chunk);
  }
}

function newChunk(length: number): Chunk {
  return { bytes: Buffer.allocUnsafeSlow(length), writing: 0 };
}
