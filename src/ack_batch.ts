import { ackFrames } from "./ack_run.ts";
import type { DriverChannel } from "./amqp/driver.ts";
import { TurnEnd } from "./turn_end.ts";

/** The acknowledgements of one turn, written together at its end. */
export class AckBatch {
  #tags: number[] = [];
  #turnEnd = new TurnEnd(() => this.flush());
  #channel: () => DriverChannel | undefined;
  #lowestHeld: () => number;

  /**
   * @param channel What to write on, if it is still open.
   * @param lowestHeld The lowest tag that is not settled; infinity if there is none.
   */
  constructor(channel: () => DriverChannel | undefined, lowestHeld: () => number) {
    this.#channel = channel;
    this.#lowestHeld = lowestHeld;
  }

  /** Acknowledges at the end of this turn, together with what else is done by then. */
  add(tag: number): void {
    this.#tags.push(tag);
    this.#turnEnd.await();
  }

  /** Writes what waits for the end of the turn. */
  flush(): void {
    const tags = this.#tags;
    if (tags.length === 0) return;
    this.#tags = [];
    try {
      for (const { tag, multiple } of ackFrames(tags, this.#lowestHeld())) {
        this.#channel()?.settle(tag, "ack", multiple);
      }
    } catch {
      // The channel is just closing: the broker will deliver the messages again.
    }
  }

  /** Forgets them: their channel is gone. */
  clear(): void {
    this.#tags = [];
  }
}
