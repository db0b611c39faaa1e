/**
 * What a socket reads into: the same memory again and again, as new memory for each read costs more
 * than the read. By default a socket takes another 64 KiB each time, and hands it on as a stream.
 */

import { Buffer } from "node:buffer";
import net from "node:net";
import type { Readable } from "node:stream";

/** It holds more than a frame of the size that RabbitMQ agrees on. */
const BYTES = 256 * 1024;

/** Whether sockets take the option, once that was asked. */
let isTaken: boolean | undefined;

export class Intake {
  /**
   * An option of a socket of `node:net` and `node:tls`, for a runtime that {@linkcode Intake.isPossible}
   * says it works on. A runtime that merely does not know it streams.
   */
  readonly onread: {
    readonly buffer: Uint8Array;
    /** Called with `this` being the socket, by most runtimes; `true` lets it read on. */
    callback(this: Readable | undefined, count: number, buffer: Uint8Array): boolean;
  };
  /** The socket, for a runtime that does not say whose `callback` it calls. */
  socket: Readable | undefined;
  #take: ((bytes: Buffer) => void) | undefined;

  constructor() {
    // deno-lint-ignore no-this-alias
    const intake = this;
    const memory = Buffer.allocUnsafeSlow(BYTES);
    this.onread = {
      buffer: memory,
      callback(count) {
        const socket = intake.socket ?? this!;
        const bytes = memory.subarray(0, count);
        // What the stream still holds came before.
        if (intake.#take === undefined || socket.readableLength > 0) {
          socket.push(Buffer.from(bytes));
        } else intake.#take(bytes);
        return true;
      },
    };
  }

  /**
   * Whether sockets of this runtime read into memory that is lent to them: some throw as they are
   * told to, and nothing could ever be connected. Found out once, by a socket that is told to but
   * goes nowhere: a name that is never looked up takes neither a permission nor the network.
   */
  static isPossible(): boolean {
    if (isTaken !== undefined) return isTaken;
    const { onread } = new Intake();
    const socket = new net.Socket({ onread } as net.SocketConstructorOpts);
    socket.on("error", () => {}); // Nobody is to be told that it goes nowhere.
    try {
      socket.connect({ host: "nowhere.invalid", port: 1, lookup: () => {} });
      isTaken = true;
    } catch {
      isTaken = false;
    } finally {
      socket.destroy();
    }
    return isTaken;
  }

  /** From now on hands what was read to `take`, whose it is until that returns, and not to the stream. */
  divert(take: (bytes: Buffer) => void): void {
    this.#take = take;
  }
}
