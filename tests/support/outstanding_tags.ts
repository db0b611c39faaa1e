import type { Settlement } from "../../src/amqp/driver.ts";

/** What a broker knows of the deliveries of one channel, and how strict it is about them. */
export class OutstandingTags {
  /** What was settled, in order, and how. */
  readonly settled: Map<number, Settlement> = new Map();
  #open = new Set<number>();

  /** The tags that are not settled, in order. */
  get open(): number[] {
    return [...this.#open];
  }

  deliver(tag: number): void {
    this.#open.add(tag);
  }

  /**
   * Settles one, or acknowledges all up to it.
   *
   * @throws Where the tag is not outstanding: a broker closes the channel then, with a 406.
   */
  settle(tag: number, how: Settlement, multiple = false): void {
    if (!this.#open.has(tag)) throw new Error(`PRECONDITION_FAILED - unknown delivery tag ${tag}`);
    if (multiple && how !== "ack") throw new Error(`A multiple ${how} of ${tag}`);
    for (const one of multiple ? this.open : [tag]) {
      if (one > tag) continue;
      this.#open.delete(one);
      this.settled.set(one, how);
    }
  }
}
