/** Random options of messages: what a program may give to a publisher, and what it may not. */

import type { SendMessageOptions } from "../../src/send_options.ts";
import type { Random } from "./random.ts";

/** Makes options, most of which are good and some of which are anything but. */
export class WildOptions {
  #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  text(): string {
    const character = this.#random.pick(["a", "-", ".", "é", "€", "😀", "\0", "\n", "\u{10FFFF}"]);
    const most = Math.floor(255 / new TextEncoder().encode(character).length);
    return character.repeat(
      this.#random.pick([0, 1, this.#random.below(9), this.#random.below(most), most]),
    );
  }

  number(): number {
    return this.#random.pick([
      () => this.#random.below(256) - 128,
      () => this.#random.below(2 ** 32) - 2 ** 31,
      () => (this.#random.next() - 0.5) * 10 ** (this.#random.below(40) - 10),
      () => Math.round((this.#random.next() - 0.5) * 2 ** this.#random.below(70)),
      () =>
        (this.#random.pick([1, -1])) *
        (2 ** this.#random.below(64) + this.#random.pick([-1, -0.5, 0, 0.5, 1])),
      () =>
        this.#random.pick([
          0,
          -0,
          Number.MAX_SAFE_INTEGER,
          Number.MIN_SAFE_INTEGER,
          Number.MAX_VALUE,
          Number.MIN_VALUE,
          Number.EPSILON,
          -(2 ** 63),
          2 ** 63,
        ]),
    ])();
  }

  /** An integer of up to 64 bits. */
  bigint(): bigint {
    const bits = this.#random.pick([0, 8, 31, 32, 52, 53, 62, 63]);
    const size = BigInt.asUintN(bits, BigInt(Math.floor(this.#random.next() * 2 ** bits)));
    return this.#random.pick([size, -size, 2n ** BigInt(bits) - 1n, -(2n ** BigInt(bits))]);
  }

  /** A text of bytes that are not UTF-8, as a message that was received shows it. */
  rawText(): string {
    return this.#random.pick(["\udcff", "id \udc80\udcfe", "é\udcc3", "\udced\udca0\udc80"]);
  }

  /** The key of a table. */
  key(): string {
    if (this.#random.chance(0.02)) return this.rawText();
    const character = this.#random.pick(["k", "-", "!", "é", "€", "😀", "\n"]);
    const most = Math.floor(128 / new TextEncoder().encode(character).length);
    return character.repeat(this.#random.pick([1, this.#random.between(1, most), most]));
  }

  bytes(): Uint8Array {
    const bytes = Uint8Array.from(
      { length: this.#random.below(30) },
      () => this.#random.below(256),
    );
    return this.#random.chance(0.3) ? bytes.subarray(bytes.length >> 1) : bytes;
  }

  /** A value that may stand in a table. */
  good(depth: number): unknown {
    return this.#random.pick([
      () => this.text(),
      () => this.number(),
      () => this.#random.chance(0.5),
      () => null,
      () => this.bigint(),
      () => new Date(this.#random.below(2 ** 32) * 1000 + this.#random.pick([0, 1, 999])),
      () => ({
        "!": "decimal",
        value: { places: this.#random.below(256), digits: this.#random.below(2 ** 32) - 2 ** 31 },
      }),
      () => this.bytes(),
      () =>
        depth > 4 ? [] : Array.from({ length: this.#random.below(4) }, () => this.value(depth + 1)),
      () => depth > 4 ? {} : this.table(depth + 1),
    ])();
  }

  /** A value that may stand nowhere. */
  bad(): unknown {
    return this.#random.pick([
      () => NaN,
      () => -Infinity,
      () => 2n ** 63n,
      () => -(2n ** 63n) - 1n,
      () => Symbol("bad"),
      () => () => {},
      () => new Map([["a", 1]]),
      () => new Set(),
      () => /x/,
      () => new Error("bad"),
      () => Promise.resolve(),
      () => new (class Custom {})(),
      () => new Date(NaN),
      () => new Date(-1_000),
      () => new Int32Array(2),
      () => new ArrayBuffer(2),
      () => [, 1],
      () => "half \ud800",
      () => "\udc00 half",
      () => "x".repeat(70_000),
      () => ({ "!": "int8", value: 1_000 }),
      () => ({ "!": "decimal", value: { places: 256, digits: 1 } }),
      () => ({ "!": "decimal", value: { places: 0, digits: 2 ** 31 } }),
      () => new Proxy({ a: 1 }, {}),
      () => {
        const circular: Record<string, unknown> = {};
        circular.again = [circular];
        return circular;
      },
      () => {
        let deep: unknown = 1;
        for (let depth = 0; depth < 10_000; depth++) deep = { deep };
        return deep;
      },
    ])();
  }

  value(depth: number): unknown {
    return this.#random.chance(0.01) ? this.bad() : this.good(depth);
  }

  table(depth = 0): Record<string, unknown> {
    const table: Record<string, unknown> = this.#random.chance(0.1) ? Object.create(null) : {};
    for (let count = this.#random.below(5); count > 0; count--) {
      const key = this.#random.chance(0.01)
        ? this.#random.pick(["", "x".repeat(129), "\ud800", "\udcc3\udca9"])
        : this.key();
      table[key] = this.#random.chance(0.05) ? undefined : this.value(depth);
    }
    return table;
  }

  options(): SendMessageOptions {
    const options: Record<string, unknown> = { exchange: this.text() };
    const maybe = (name: string, make: () => unknown) => {
      if (this.#random.chance(0.4)) options[name] = this.#random.chance(0.02) ? this.bad() : make();
    };
    maybe("routingKey", () => this.text());
    for (
      const name of [
        "correlationId",
        "replyTo",
        "contentType",
        "contentEncoding",
        "type",
        "messageId",
        "userId",
        "appId",
      ]
    ) maybe(name, () => this.#random.chance(0.02) ? this.rawText() : this.text());
    maybe("deliveryMode", () => this.#random.pick([1, 2]));
    maybe("priority", () => this.#random.below(256));
    maybe("expirationMs", () => this.#random.below(2 ** 32));
    maybe(
      "timestamp",
      () =>
        this.#random.chance(0.1)
          ? 8_640_000_000_001 + Math.floor(this.#random.next() * 2 ** 63)
          : new Date(this.#random.below(2 ** 32) * 1000 + this.#random.below(1000)),
    );
    maybe("headers", () => this.table());
    if (this.#random.chance(0.01)) {
      options[this.#random.pick(["header", "exchangeName", "priorty"])] = 1;
    }
    if (this.#random.chance(0.01)) return options as unknown as SendMessageOptions;
    if (this.#random.chance(0.3)) {
      options.json = this.#random.chance(0.02) ? this.bad() : this.table();
    } else {options.body = this.#random.chance(0.02)
        ? this.bad()
        : this.#random.pick([this.text(), this.bytes()]);}
    return options as unknown as SendMessageOptions;
  }
}
