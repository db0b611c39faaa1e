/**
 * Collects the frames of a connection and writes them to its socket together, at the end of the turn
 * in which they were made: a system call for each message costs more than the message does.
 */

import { Buffer } from "node:buffer";
import { TurnEnd } from "../turn_end.ts";

/** What a writer needs of a socket. */
export interface ByteSink {
  write(bytes: Uint8Array): unknown;
  readonly writable?: boolean;
}

const CHUNK_BYTES = 64 * 1024;

/** Bytes on their way to a socket, in order. */
export class FrameWriter {
  /** Where to put what comes next: from {@linkcode end} on, as far as {@linkcode reserve} made room. */
  chunk: Buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  /** The end of what was collected. */
  end = 0;
  #sink: ByteSink;
  /** The end of what was handed to the socket, which may need it still. */
  #flushed = 0;
  #turnEnd = new TurnEnd(() => this.flush());

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /** Makes room for so many bytes. */
  reserve(length: number): void {
    if (this.end + length <= this.chunk.length) return;
    this.flush();
    this.chunk = Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, length));
    this.#flushed = this.end = 0;
  }

  /** What was put into the chunk now ends here. */
  advance(end: number): void {
    this.end = end;
    this.#turnEnd.await();
  }

  /** Collects bytes that are there already. */
  write(bytes: Uint8Array): boolean {
    this.reserve(bytes.length);
    this.chunk.set(bytes, this.end);
    this.advance(this.end + bytes.length);
    return true;
  }

  /** Puts large bytes, which must not change any more, behind what was collected, without a copy. */
  writeThrough(bytes: Uint8Array): void {
    this.flush();
    if (this.#sink.writable !== false) this.#sink.write(bytes);
  }

  /** Writes what was collected. */
  flush(): void {
    if (this.end === this.#flushed) return;
    const bytes = this.chunk.subarray(this.#flushed, this.end);
    this.#flushed = this.end;
    if (this.#sink.writable !== false) this.#sink.write(bytes);
  }
}
