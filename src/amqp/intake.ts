/**
 * What a socket reads into: the same memory again and again, as new memory for each read costs more
 * than the read. By default a socket takes 64 KiB anew each time, and hands it on as a stream.
 */

import { Buffer } from "node:buffer";
import type { Readable } from "node:stream";

/** It holds more than a frame of the size that RabbitMQ agrees on. */
const BYTES = 256 * 1024;

export class Intake {
  /** An option of a socket of `node:net` and `node:tls`. A runtime that does not know it streams. */
  readonly onread: {
    readonly buffer: Uint8Array;
    /** Called with `this` being the socket; `true` lets it read on. */
    callback(this: Readable, count: number, buffer: Uint8Array): boolean;
  };
  #take: ((bytes: Buffer) => void) | undefined;

  constructor() {
    // deno-lint-ignore no-this-alias
    const intake = this;
    const memory = Buffer.allocUnsafeSlow(BYTES);
    this.onread = {
      buffer: memory,
      callback(count) {
        const bytes = memory.subarray(0, count);
        // What the stream still holds came before.
        if (intake.#take === undefined || this.readableLength > 0) this.push(Buffer.from(bytes));
        else intake.#take(bytes);
        return true;
      },
    };
  }

  /** From now on hands what was read to `take`, whose it is until that returns, and not to the stream. */
  divert(take: (bytes: Buffer) => void): void {
    this.#take = take;
  }
}
