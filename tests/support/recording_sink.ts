import type { ByteSink } from "../../src/amqp/frame_writer.ts";
import { fromBuffer } from "../../src/amqp/properties.ts";

/** A socket that keeps what is written to it. */
export class RecordingSink implements ByteSink {
  writable = true;
  /** The very memory that it was handed, which is nobody else's to change. */
  readonly writes: Uint8Array[] = [];

  write(bytes: Uint8Array): void {
    this.writes.push(fromBuffer(bytes));
  }

  /** All that was written, in one piece. */
  get bytes(): Uint8Array {
    return Uint8Array.from(this.writes.flatMap((bytes) => [...bytes]));
  }
}
