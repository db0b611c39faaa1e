// A server that writes whatever it likes, at any moment of the conversation. No broker is needed.

import { assert, assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import { caseName, casesToRun, randomOfCase } from "./support/fuzz.ts";
import { FuzzLane, type Report } from "./support/fuzz_lane.ts";
import type { Attack, Ending, Moment, Role } from "./support/hostile_server.ts";
import type { Random } from "./support/random.ts";
import { usedMemory } from "./support/used_memory.ts";

const CASES = 10_000;
/** How many publishers and consumers are under attack at the same time. */
const LANES = 24;
/** When so many cases have failed, the others are left out. */
const ENOUGH_FAILURES = 3;
const LAST_WORDS_MS = 1_100;
const MAX_GROWTH_BYTES = 64 * 1024 * 1024;

const OPENING = ["accept", "connection.start-ok", "connection.open", "channel.open"] as const;
const MOMENTS: Record<Role, readonly Moment[]> = {
  publish: ["now", "now", "now", "basic.publish", "basic.publish", ...OPENING, "confirm.select"],
  consume: [
    "now",
    "now",
    "now",
    "basic.ack",
    "basic.ack",
    ...OPENING,
    "basic.qos",
    "basic.consume",
  ],
};

function attackOf(random: Random): Attack {
  const { chance, pick } = random;
  const role = pick(["publish", "consume"] as const);
  const moment = pick(MOMENTS[role]);
  // The rare ones keep the client waiting, for as long as it has patience.
  const ending: Ending = chance(0.004)
    ? "fall silent"
    : chance(0.01)
    ? "answer no close"
    : pick(["hang up", "go on", "go on"] as const);
  const answer = chance(ending === "hang up" ? 0.3 : 0.02)
    ? "never"
    : pick(["before", "before", "after"] as const);
  return { role, moment, answer, ending, pieces: pick([1, 1, 1, 2, 3, 9]), random };
}

/** Tells of what nobody has caught, which would end a program. */
function watchForUncaught(tell: (what: string, cause: unknown) => void): Disposable {
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    tell("threw what nobody could catch", event.error);
  };
  const onRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    tell("rejected what nobody could handle", event.reason);
  };
  globalThis.addEventListener("error", onError);
  globalThis.addEventListener("unhandledrejection", onRejection);
  return {
    [Symbol.dispose]() {
      globalThis.removeEventListener("error", onError);
      globalThis.removeEventListener("unhandledrejection", onRejection);
    },
  };
}

Deno.test("Publisher and Consumer survive whatever a server writes (fuzz)", async () => {
  const failures: string[] = [];
  const report: Report = (index, what, cause) => {
    const why = cause === undefined ? "" : `: ${Deno.inspect(cause)}`;
    failures.push(`Case ${caseName(index)} ${what}${why}`);
  };
  const lanes = new Set<FuzzLane>();
  using _watch = watchForUncaught((what, cause) => {
    const busy = [...lanes].map((lane) => lane.busyWith);
    report(busy[0], `(or FUZZ_CASE one of ${busy.join(", ")}) ${what}`, cause);
  });

  const todo = casesToRun(CASES);
  const total = todo.length;
  let done = 0;
  let usedEarly = 0;
  const runLane = async (lane: FuzzLane) => {
    await lane.start();
    while (todo.length > 0 && failures.length < ENOUGH_FAILURES) {
      const index = todo.shift()!;
      const random = randomOfCase(index);
      await lane.run(index, attackOf(random), random);
      if (++done === Math.ceil(total / 4)) usedEarly = usedMemory();
    }
    await lane.finish();
  };
  const work = async (number: number) => {
    while (todo.length > 0 && failures.length < ENOUGH_FAILURES) {
      const lane = new FuzzLane(number, report);
      lanes.add(lane);
      try {
        await using _lane = lane;
        await runLane(lane);
      } catch (error) {
        // The next cases get a lane that is whole.
        report(lane.busyWith, "cost its lane", error);
      }
      lanes.delete(lane);
    }
  };
  await Promise.all(Array.from({ length: Math.min(LANES, total) }, (_, number) => work(number)));

  assert(failures.length === 0, failures.slice(0, ENOUGH_FAILURES).join("\n\n"));
  assertEquals(done, total);
  // The driver lets the broker hang up first where the broker has closed the connection.
  await delay(LAST_WORDS_MS);
  const grown = usedMemory() - usedEarly;
  assert(grown < MAX_GROWTH_BYTES, `The process has grown by ${grown} bytes`);
});
