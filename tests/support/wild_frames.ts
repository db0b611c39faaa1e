/** Frames that no sane broker sends. */

import {
  byte,
  closing,
  delivery,
  frame,
  long,
  longlong,
  longstr,
  method,
  type MethodName,
  short,
  shortstr,
} from "./amqp_server.ts";
import type { Random } from "./random.ts";

/** What the frames may refer to. */
export interface WildContext {
  /** A channel that is open, or the one that is most likely to be. */
  readonly channel: number;
  /** The consumer on it, if there is one. */
  readonly consumerTag: string;
  /** How many messages were published on it. */
  readonly published: number;
  /** The id of one that may be unconfirmed. */
  readonly messageId: string;
}

/** What a server says first, by kinds; every mutation begins with one of these. */
const REPLIES = [
  "connection.open-ok",
  "connection.close-ok",
  "channel.open-ok",
  "channel.close-ok",
  "queue.declare-ok",
  "queue.bind-ok",
  "queue.delete-ok",
  "basic.qos-ok",
  "basic.consume-ok",
  "basic.cancel-ok",
  "confirm.select-ok",
] as const satisfies readonly MethodName[];

const CLASSES = [0, 10, 20, 30, 40, 50, 60, 85, 90, 255];
const METHODS = [0, 10, 11, 20, 21, 30, 31, 40, 41, 50, 51, 60, 70, 71, 72, 80, 90, 111, 120];
const CODES = [200, 311, 313, 320, 402, 403, 404, 405, 406, 501, 502, 504, 505, 530, 540, 541];
const REASONS = [
  "by script",
  "",
  "NOT_FOUND - no exchange 'wild' in vhost '/'",
  "NOT_FOUND - no exchange '' in vhost '/'",
  "NOT_FOUND - no queue 'work' in vhost '/'",
  "ACCESS_REFUSED - access to topic 'work' in exchange '' in vhost '/' refused for user 'guest'",
  "PRECONDITION_FAILED - message size 3 is larger than configured max size 2",
  "No channels left",
  "\0\n\u{10FFFF}",
];
const FIELD_TYPES = "bBsuIilfdTDSxtVFA";

/** Makes frames for one case. */
export class WildFrames {
  #random: Random;
  #context: WildContext;

  constructor(random: Random, context: WildContext) {
    this.#random = random;
    this.#context = context;
  }

  /** The bytes of one or some kinds of nonsense. */
  burst(): number[] {
    const pieces = Array.from({ length: this.#random.pick([1, 1, 1, 2, 3, 5]) }, () => this.one());
    return pieces.flat();
  }

  /** One kind of nonsense. */
  one(): number[] {
    const { below, pick } = this.#random;
    const { channel, consumerTag } = this.#context;
    return pick<() => number[]>([
      () => this.#mutated(this.#valid()),
      () => this.#mutated(this.#valid()),
      () => this.#mutated(this.#valid()),
      () => this.#anyMethod(),
      () => this.#misplaced(),
      () => this.#reply(channel),
      () => this.#outOfOrder(),
      () => this.#wildDelivery(),
      () => this.#wildDelivery(),
      () => this.#wildDelivery(),
      () => this.#confirm(),
      () => this.#confirm(),
      () => this.#return(),
      () =>
        method(channel, "basic.cancel", [
          ...shortstr(pick([consumerTag, "nobody", ""])),
          ...byte(below(2)),
        ]),
      () => method(0, "connection.blocked", shortstr(pick(REASONS))),
      () => method(0, "connection.unblocked"),
      () => method(channel, "channel.close", this.#closing()),
      () => method(0, "connection.close", this.#closing()),
      () => this.#huge(),
      () => this.#bytes(pick([1, 7, 8, 40, 300])),
      () => frame(8, pick([0, channel, 9]), this.#bytes(pick([0, 0, 3]))),
    ])();
  }

  #valid(): number[] {
    const { pick } = this.#random;
    const { channel, consumerTag } = this.#context;
    return pick<() => number[]>([
      () => delivery(channel, consumerTag, 1 + this.#random.below(5), "wild"),
      () => this.#confirm(),
      () => this.#return(),
      () => this.#reply(channel),
      () => this.#wildDelivery(),
      () => method(0, "connection.blocked", shortstr("low on memory")),
      () => method(channel, "channel.close", this.#closing()),
      () => method(0, "connection.close", this.#closing()),
      () => frame(8, 0, []),
      () =>
        method(0, "connection.start", [
          ...[0, 9],
          ...this.#table(2),
          ...longstr("PLAIN"),
          ...longstr("en_US"),
        ]),
      () =>
        method(0, "connection.tune", [
          ...short(this.#random.pick([0, 1, 100])),
          ...long(this.#random.pick([0, 1, 4_096, 131_072])),
          ...short(this.#random.pick([0, 1, 60])),
        ]),
    ])();
  }

  #mutated(valid: readonly number[]): number[] {
    const { below, pick, chance } = this.#random;
    const bytes = [...valid];
    const at = () => below(bytes.length);
    pick<() => void>([
      () => {
        for (let flips = pick([1, 1, 2, 8]); flips > 0; flips--) bytes[at()] ^= 1 << below(8);
      },
      () => bytes.splice(at()),
      () => bytes.splice(at(), 1 + below(4)),
      () => bytes.splice(at(), 0, ...this.#bytes(1 + below(9))),
      () => bytes.splice(0, 1, below(256)),
      () => bytes.splice(1, 2, ...short(pick([0, 1, 2, 9, 0xFFFF]))),
      () => bytes.splice(3, 4, ...long(chance(0.5) ? below(200) : below(2 ** 32))),
      () => bytes.splice(bytes.length - 1, 1, below(256)),
      () => bytes.splice(7, 4, ...this.#bytes(4)),
    ])();
    return bytes;
  }

  #anyMethod(): number[] {
    const { below, pick } = this.#random;
    return frame(1, pick([0, this.#context.channel]), [
      ...short(pick([...CLASSES, below(0x10000)])),
      ...short(pick([...METHODS, below(0x10000)])),
      ...this.#bytes(pick([0, 1, 4, 20, 100])),
    ]);
  }

  /** What belongs on channel 0 on another, and the reverse. */
  #misplaced(): number[] {
    const { pick } = this.#random;
    const elsewhere = pick([this.#context.channel, 2, 9, 0xFFFF]);
    return pick<() => number[]>([
      () => method(elsewhere, "connection.close", this.#closing()),
      () => method(elsewhere, "connection.blocked", shortstr("no")),
      () => method(elsewhere, "connection.tune", [...short(1), ...long(4_096), ...short(1)]),
      () => method(0, "channel.close", this.#closing()),
      () => this.#reply(0),
      () => this.#reply(elsewhere),
      () => delivery(0, this.#context.consumerTag, 1),
      () => delivery(elsewhere, this.#context.consumerTag, 1),
      () => method(0, "basic.ack", [...longlong(1), ...byte(0)]),
    ])();
  }

  #reply(channel: number): number[] {
    const { below, pick } = this.#random;
    const name = pick(REPLIES);
    const args: Partial<Record<MethodName, number[]>> = {
      "connection.open-ok": shortstr(""),
      "channel.open-ok": longstr(""),
      "queue.declare-ok": [
        ...pick([shortstr("wild"), shortstr(""), [255, ...this.#bytes(255)]]),
        ...long(below(9)),
        ...long(0),
      ],
      "queue.delete-ok": long(0),
      "basic.consume-ok": shortstr(pick([this.#context.consumerTag, "other", ""])),
      "basic.cancel-ok": shortstr(pick([this.#context.consumerTag, "other"])),
    };
    return method(channel, name, args[name] ?? []);
  }

  #outOfOrder(): number[] {
    const { below, chance, shuffled, pick } = this.#random;
    const { channel, consumerTag } = this.#context;
    const [deliver, header] = [
      method(channel, "basic.deliver", this.#deliverArgs()),
      frame(2, channel, [...short(60), ...short(0), ...this.#size(), ...short(0)]),
    ];
    const body = () => frame(3, channel, this.#bytes(below(6)));
    const parts = [deliver, header, body(), body(), delivery(channel, consumerTag, 1)];
    return shuffled(parts).slice(pick([0, 2, 3, 4])).filter(() => chance(0.9)).flat();
  }

  #size(): number[] {
    const { below, pick } = this.#random;
    return pick([
      longlong(below(8)),
      longlong(below(2 ** 32)),
      [...long(below(2 ** 32)), ...long(below(2 ** 32))],
      [...long(2 ** 8), ...long(0)],
      Array(8).fill(255),
    ]);
  }

  #tag(): number[] {
    const { below, pick } = this.#random;
    const { published } = this.#context;
    return pick([
      longlong(1 + below(published + 3)),
      longlong(1 + below(published + 3)),
      longlong(published),
      longlong(0),
      longlong(below(2 ** 32)),
      longlong(2 ** 32 - 1),
      [...long(below(2 ** 32)), ...long(below(2 ** 32))],
      Array(8).fill(255),
    ]);
  }

  #confirm(): number[] {
    const { below, chance, pick } = this.#random;
    const one = method(this.#context.channel, pick(["basic.ack", "basic.ack", "basic.nack"]), [
      ...this.#tag(),
      ...byte(chance(0.3) ? 1 : below(4)),
    ]);
    return chance(0.2) ? [...one, ...one] : one;
  }

  #deliverArgs(): number[] {
    const { below, chance, pick } = this.#random;
    const text = () => chance(0.5) ? shortstr("work") : [4, ...this.#bytes(4)];
    return [
      ...shortstr(pick([this.#context.consumerTag, this.#context.consumerTag, "nobody"])),
      ...this.#tag(),
      ...byte(below(2)),
      ...text(),
      ...text(),
    ];
  }

  #wildDelivery(): number[] {
    const { channel } = this.#context;
    return [
      ...method(channel, "basic.deliver", this.#deliverArgs()),
      ...this.#content(),
    ];
  }

  #return(): number[] {
    const { pick, chance } = this.#random;
    const { channel, messageId } = this.#context;
    const args = [
      ...short(pick(CODES)),
      ...shortstr(pick(REASONS)),
      ...shortstr(""),
      ...shortstr(pick(["work", ""])),
    ];
    const id = chance(0.7) ? messageId : "nobody's";
    return [
      ...method(channel, "basic.return", args),
      ...(chance(0.3) ? this.#content() : [
        ...frame(2, channel, [
          ...short(60),
          ...short(0),
          ...longlong(0),
          ...short(1 << 7),
          ...shortstr(id),
        ]),
      ]),
    ];
  }

  /** A header with any properties, and mostly the body that it announces. */
  #content(): number[] {
    const { below, chance, pick } = this.#random;
    const { channel } = this.#context;
    const flags = chance(0.5) ? 1 << 13 : below(2 ** 14) << 2 | (chance(0.05) ? below(4) : 0);
    const has = (bit: number) => (flags & 1 << bit) !== 0;
    const text = () =>
      chance(0.5)
        ? shortstr(pick(["", "text/plain", "-1", "NaN", "9".repeat(99), "\u{10FFFF}"]))
        : [3, ...this.#bytes(3)];
    const properties = [
      ...(has(15) ? text() : []),
      ...(has(14) ? text() : []),
      ...(has(13) ? this.#table(0) : []),
      ...(has(12) ? byte(below(256)) : []),
      ...(has(11) ? byte(below(256)) : []),
      ...[10, 9, 8, 7].flatMap((bit) => has(bit) ? text() : []),
      ...(has(6) ? [...long(below(2 ** 32)), ...long(below(2 ** 32))] : []),
      ...[5, 4, 3, 2].flatMap((bit) => has(bit) ? text() : []),
    ];
    const body = this.#bytes(pick([0, 1, 5, 200]));
    const size = chance(0.9) ? longlong(body.length) : this.#size();
    const header = frame(2, channel, [
      ...short(chance(0.95) ? 60 : below(100)),
      ...short(0),
      ...size,
      ...short(flags),
      ...properties,
    ]);
    return [...header, ...(body.length > 0 ? frame(3, channel, body) : [])];
  }

  /** A table with its length, which is wrong now and then. */
  #table(depth: number): number[] {
    const { below, chance, pick } = this.#random;
    const bytes: number[] = [];
    if (depth === 0 && chance(0.02)) bytes.push(...this.#deep(pick([50, 500, 10_000])));
    for (let count = below(depth > 3 ? 2 : 4); count > 0; count--) {
      const key = pick([
        "a",
        "!",
        "value",
        "valueOf",
        "toString",
        "__proto__",
        "constructor",
        "x-delivery-count",
        "x-death",
        "",
      ]);
      bytes.push(...(chance(0.9) ? shortstr(key) : [2, ...this.#bytes(2)]), ...this.#field(depth));
    }
    if (chance(0.05)) bytes.push(...shortstr("t"), ...this.#disguised());
    return [...long(this.#length(bytes.length)), ...bytes];
  }

  /** A table that looks like one of amqplib's own forms. */
  #disguised(): number[] {
    const { pick } = this.#random;
    const bytes = [
      ...[...shortstr("!"), 0x53, ...longstr(pick(["timestamp", "decimal", "double"]))],
      ...[...shortstr("value"), ...this.#field(3)],
    ];
    return [0x46, ...long(bytes.length), ...bytes];
  }

  #deep(depth: number): number[] {
    const bytes = shortstr("x");
    for (let level = depth; level > 0; level--) bytes.push(0x41, ...long((level - 1) * 5));
    return bytes;
  }

  #length(right: number): number {
    const { below, chance } = this.#random;
    return chance(0.97) ? right : chance(0.5) ? below(right + 9) : below(2 ** 32);
  }

  #field(depth: number): number[] {
    const { below, chance, pick } = this.#random;
    const type = chance(0.97) ? pick([...FIELD_TYPES]) : String.fromCharCode(below(128));
    const counted = (bytes: number[]) => [...long(this.#length(bytes.length)), ...bytes];
    const value = (): number[] => {
      switch (type) {
        case "b":
        case "B":
        case "t":
          return this.#bytes(1);
        case "s":
        case "u":
          return this.#bytes(2);
        case "I":
        case "i":
        case "f":
          return this.#bytes(4);
        case "l":
        case "d":
        case "T":
          return this.#bytes(8);
        case "D":
          return this.#bytes(5);
        case "S":
          return counted(
            chance(0.5)
              ? [...new TextEncoder().encode(pick(["timestamp", "text", "😀"]))]
              : this.#bytes(below(9)),
          );
        case "x":
          return counted(this.#bytes(below(9)));
        case "F":
          return depth > 6 ? long(0) : this.#table(depth + 1);
        case "A":
          return counted(
            depth > 6 ? [] : Array.from({ length: below(4) }, () => this.#field(depth + 1)).flat(),
          );
        default:
          return [];
      }
    };
    return [type.charCodeAt(0), ...value()];
  }

  /** Large claims, with little behind them. */
  #huge(): number[] {
    const { below, pick } = this.#random;
    const { channel } = this.#context;
    return pick<() => number[]>([
      () => [pick([1, 2, 3, 8]), ...short(channel), 255, 255, 255, 255],
      () => [3, ...short(channel), ...long(below(2 ** 27)), ...this.#bytes(30)],
      () => [
        ...method(channel, "basic.deliver", this.#deliverArgs()),
        ...frame(2, channel, [...short(60), ...short(0), ...this.#size(), ...short(0)]),
        ...frame(3, channel, this.#bytes(50)),
      ],
      () => frame(3, channel, Array.from({ length: pick([1_000, 60_000]) }, () => below(256))),
    ])();
  }

  #closing(): number[] {
    const { below, pick, chance } = this.#random;
    const args = closing(pick([...CODES, below(0x10000)]), pick(REASONS));
    return chance(0.1) ? args.slice(0, below(args.length)) : args;
  }

  #bytes(length: number): number[] {
    return Array.from({ length }, () => this.#random.below(256));
  }
}
