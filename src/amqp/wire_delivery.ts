import { Buffer } from "node:buffer";
import type { Delivery, FieldTable, MessageProperties } from "./driver.ts";
import {
  decodeHeaders,
  decodeProperties,
  readShortText,
  type WireProperties,
} from "./decode_properties.ts";

const EMPTY_BODY = new Uint8Array();
const NO_BYTES = Buffer.alloc(0);

/**
 * A delivery as it came off the wire. What it holds is decoded when somebody asks for it: most tasks
 * look at the body alone.
 */
export class WireDelivery implements Delivery {
  readonly tag: number;
  readonly redelivered: boolean;
  body: Uint8Array = EMPTY_BODY;
  /** How much of the body is still to come. */
  missing = 0;
  /** What came of the body, if it comes in pieces. */
  #pieces: Pieces | undefined;
  #bytes: Buffer;
  /** Where the exchange is, and behind it the routing key. */
  #exchangeAt: number;
  #header: Buffer = NO_BYTES;
  #wire: WireProperties | undefined;
  #headers: FieldTable | undefined;

  constructor(tag: number, redelivered: boolean, bytes: Buffer, exchangeAt: number) {
    this.tag = tag;
    this.redelivered = redelivered;
    this.#bytes = bytes;
    this.#exchangeAt = exchangeAt;
  }

  /** Whether its header has come. */
  get hasHeader(): boolean {
    return this.#header !== NO_BYTES;
  }

  /** @param header The flags, and the properties that they announce. */
  setHeader(header: Buffer, bodySize: number): void {
    this.#header = header;
    this.missing = bodySize;
  }

  /** Takes a piece of the body, and keeps its memory if it is all of it. */
  addToBody(piece: Buffer): void {
    if (piece.length < this.missing || this.#pieces !== undefined) return this.copyToBody(piece);
    this.missing = 0;
    this.body = new Uint8Array(piece.buffer, piece.byteOffset, piece.length);
  }

  /** Takes a copy of a piece of the body; the last completes it. */
  copyToBody(piece: Buffer): void {
    this.#pieces ??= new Pieces(this.missing);
    this.#pieces.add(piece);
    this.missing -= piece.length;
    if (this.missing > 0) return;
    this.body = this.#pieces.joined();
    this.#pieces = undefined;
  }

  get exchange(): string {
    return shortText(this.#bytes, this.#exchangeAt);
  }

  get routingKey(): string {
    return shortText(this.#bytes, this.#exchangeAt + 1 + this.#bytes[this.#exchangeAt]);
  }

  get properties(): MessageProperties {
    return this.#decoded().properties;
  }

  get headers(): FieldTable {
    if (this.#headers === undefined) {
      const { table } = this.#decoded();
      this.#headers = table === undefined ? {} : decodeHeaders(table);
    }
    return this.#headers;
  }

  #decoded(): WireProperties {
    return this.#wire ??= decodeProperties(this.#header);
  }
}

/** Memory is set aside for a body of at most this size; a larger one may be an empty claim. */
const MOST_SET_ASIDE = 16 * 1024 * 1024;

/** A body that comes in pieces: put together as they come, or in the end if it is very large. */
class Pieces {
  #whole: Uint8Array | undefined;
  #parts: Buffer[] = [];
  #length = 0;

  constructor(length: number) {
    if (length <= MOST_SET_ASIDE) this.#whole = new Uint8Array(length);
  }

  add(piece: Buffer): void {
    if (this.#whole === undefined) this.#parts.push(Buffer.from(piece));
    else this.#whole.set(piece, this.#length);
    this.#length += piece.length;
  }

  joined(): Uint8Array {
    if (this.#whole !== undefined) return this.#whole;
    const whole = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }
}

function shortText(bytes: Buffer, at: number): string {
  return readShortText(bytes, at + 1, at + 1 + bytes[at]);
}
