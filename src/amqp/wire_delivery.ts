import { Buffer } from "node:buffer";
import type { Delivery, MessageProperties } from "./driver.ts";
import { decodeHeaders, decodeProperties, type WireProperties } from "./decode_properties.ts";

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
  /** What came of the body, where it came in several frames. */
  parts: Buffer[] | undefined;
  #bytes: Buffer;
  /** Where the exchange is, and behind it the routing key. */
  #exchangeAt: number;
  #header: Buffer = NO_BYTES;
  #wire: WireProperties | undefined;
  #headers: Readonly<Record<string, unknown>> | undefined;

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

  get exchange(): string {
    return shortText(this.#bytes, this.#exchangeAt);
  }

  get routingKey(): string {
    return shortText(this.#bytes, this.#exchangeAt + 1 + this.#bytes[this.#exchangeAt]);
  }

  get properties(): MessageProperties {
    return this.#decoded().properties;
  }

  get headers(): Readonly<Record<string, unknown>> {
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

function shortText(bytes: Buffer, at: number): string {
  return bytes.toString("utf8", at + 1, at + 1 + bytes[at]);
}
