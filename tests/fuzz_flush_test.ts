/** What `flush()` and `stop()` count, whatever happens between the calls and from which callback. */

import { assert, assertEquals } from "@std/assert";
import type { SendCallbacks } from "../src/send_options.ts";
import { prepareMessage } from "../src/send_options.ts";
import { eventually } from "./support/eventually.ts";
import { caseName, casesToRun, randomOfCase } from "./support/fuzz.ts";
import { nextTurn } from "./support/next_turn.ts";
import { type OutboxForTest, outboxForTest } from "./support/outbox_for_test.ts";
import type { Random } from "./support/random.ts";

const STEPS = 60;
/** What a callback causes may cause more: so many in a row at most. */
const MOST_NESTED = 3;

interface ModelSend {
  /** Which start of the outbox it came after. */
  readonly start: number;
  outcome?: "confirmed" | "failed";
}

interface ModelFlush {
  readonly what: string;
  readonly expected: () => { confirmed: number; failed: number };
  answer?: { confirmed: number; failed: number };
}

/** Does at random what a program and a broker may do, and keeps a list of what must come of it. */
class Model {
  readonly sends: ModelSend[] = [];
  readonly flushes: ModelFlush[] = [];
  readonly stops: Promise<unknown>[] = [];
  #made: OutboxForTest;
  #random: Random;
  #starts = 0;
  #state: "idle" | "running" | "stopping" = "idle";

  constructor(made: OutboxForTest, random: Random) {
    this.#made = made;
    this.#random = random;
  }

  step(depth = 0): void {
    const random = this.#random;
    const what = random.pick([
      "send",
      "send",
      "send",
      "flush",
      "start",
      "stop",
      "broker",
      "broker",
    ]);
    if (what === "send") this.#send(depth);
    else if (what === "flush") this.#flush();
    else if (what === "start") this.#start();
    else if (what === "stop" && random.chance(0.5)) this.stop(random.pick([0, 5]));
    else if (what === "broker" && depth === 0) this.#broker();
  }

  #send(depth: number): void {
    const send: ModelSend = { start: this.#starts };
    this.sends.push(send);
    const settle = (outcome: "confirmed" | "failed") => {
      assertEquals(send.outcome, undefined, "it was settled twice");
      send.outcome = outcome;
      while (depth < MOST_NESTED && this.#random.chance(0.4)) this.step(depth + 1);
    };
    const callbacks: SendCallbacks = {
      ackCallback: () => settle("confirmed"),
      nackCallback: () => settle("failed"),
    };
    const message = prepareMessage(
      { exchange: "", routingKey: "work", body: "x" },
      () => `${this.sends.length}`,
    );
    const refusal = this.#state === "running" ? undefined : "it is stopped";
    void this.#made.outbox.send(message, callbacks, refusal);
  }

  #flush(): void {
    const start = this.#starts;
    const before = [...this.sends];
    const flush: ModelFlush = {
      what: `flush ${this.flushes.length} after ${before.length} sends and ${start} starts`,
      expected: () => {
        for (const { outcome } of before) assert(outcome !== undefined, `${flush.what} was early`);
        const counted = before.filter((send) => send.start === start);
        const confirmed = counted.filter(({ outcome }) => outcome === "confirmed").length;
        return { confirmed, failed: counted.length - confirmed };
      },
    };
    this.flushes.push(flush);
    void this.#made.outbox.flush().then((answer) => {
      assertEquals(answer, flush.expected(), flush.what);
      flush.answer = answer;
    });
  }

  #start(): void {
    if (this.#state !== "idle") return;
    this.#state = "running";
    this.#starts++;
    // A stop may interrupt it.
    this.stops.push(this.#made.outbox.start(60_000).catch(() => {}));
  }

  stop(timeoutMs: number): void {
    if (this.#state !== "running") return;
    this.#state = "stopping";
    const stopped = this.#made.outbox.stop(timeoutMs).then(() => this.#state = "idle");
    this.stops.push(stopped);
  }

  #broker(): void {
    const { channel } = this.#made.link.driver;
    if (!channel?.open) return;
    const random = this.#random;
    const written = channel.published.length;
    if (random.chance(0.1)) return channel.connection.lose();
    if (written === 0) return;
    if (random.chance(0.1)) channel.return(random.between(1, written));
    channel.confirm(random.between(1, written), random.chance(0.5), random.chance(0.8));
  }
}

Deno.test("Outbox.flush and stop count each send once and wait for it, in whatever order (fuzz)", async () => {
  for (const index of casesToRun(50)) {
    const random = randomOfCase(index);
    await using made = outboxForTest({ maxInFlight: random.pick([1, 3, 100]) });
    const model = new Model(made, random);
    for (let step = 0; step < STEPS; step++) {
      model.step();
      if (random.chance(0.3)) await nextTurn();
    }
    await eventually(`all is settled (${caseName(index)})`, () => {
      model.stop(0);
      return model.sends.every(({ outcome }) => outcome !== undefined);
    }, 5_000);
    await eventually(
      `all flushes are answered (${caseName(index)})`,
      () => model.flushes.every(({ answer }) => answer !== undefined),
      5_000,
    );
    await Promise.all(model.stops);
    assertEquals(made.thrown, [], caseName(index));
  }
});
