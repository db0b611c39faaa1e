import { assert, assertEquals } from "@std/assert";
import { ackFrames } from "../src/ack_run.ts";
import { caseName, casesToRun, randomOfCase } from "./support/fuzz.ts";
import { OutstandingTags } from "./support/outstanding_tags.ts";

const CASES = 2_000;

Deno.test("ackFrames says all of a turn with one frame, where nothing else is held below", () => {
  assertEquals(ackFrames([3, 1, 2], Infinity), [{ tag: 3, multiple: true }]);
  assertEquals(ackFrames([3, 1, 2], 4), [{ tag: 3, multiple: true }]);
});

Deno.test("ackFrames acknowledges a single delivery as such", () => {
  assertEquals(ackFrames([7], Infinity), [{ tag: 7, multiple: false }]);
  assertEquals(ackFrames([7], 8), [{ tag: 7, multiple: false }]);
  assertEquals(ackFrames([7], 6), [{ tag: 7, multiple: false }]);
});

Deno.test("ackFrames acknowledges each by itself behind a slow task", () => {
  assertEquals(ackFrames([4, 2, 3], 1), [
    { tag: 4, multiple: false },
    { tag: 2, multiple: false },
    { tag: 3, multiple: false },
  ]);
  assertEquals(ackFrames([5, 1, 2, 4], 3), [
    { tag: 2, multiple: true },
    { tag: 5, multiple: false },
    { tag: 4, multiple: false },
  ]);
});

Deno.test("ackFrames acknowledges what was done, all of it and nothing else (fuzz)", () => {
  let multiples = 0;
  let singlesBehind = 0;
  for (const index of casesToRun(CASES)) {
    const random = randomOfCase(index);
    const broker = new OutstandingTags();
    const held = new Set<number>();
    const acked = new Set<number>();
    let lastTag = 0;
    for (let turn = random.between(1, 30); turn > 0; turn--) {
      const tags: number[] = [];
      for (let step = random.below(12); step > 0; step--) {
        if (held.size === 0 || random.chance(0.45)) {
          held.add(++lastTag);
          broker.deliver(lastTag);
          continue;
        }
        // Mostly in the order in which they came.
        const tag = random.chance(0.5) ? [...held][0] : random.pick([...held]);
        held.delete(tag);
        if (random.chance(0.8)) {
          tags.push(tag);
          acked.add(tag);
        } else {
          broker.settle(tag, random.pick(["reject", "requeue", "release"]));
        }
      }
      if (tags.length === 0) continue;
      const [lowestHeld = Infinity] = held;
      const frames = ackFrames(tags, lowestHeld);
      for (const { tag, multiple } of frames) {
        broker.settle(tag, "ack", multiple);
        if (multiple) multiples++;
        if (tag > lowestHeld) singlesBehind++;
      }
      assertEquals(broker.open, [...held], caseName(index));
      const most = tags.filter((tag) => tag > lowestHeld).length + 1;
      assert(frames.length <= most, `${frames.length} frames: ${caseName(index)}`);
    }
    const ackedAtBroker = [...broker.settled].filter(([, how]) => how === "ack");
    assertEquals(new Set(ackedAtBroker.map(([tag]) => tag)), acked, caseName(index));
  }
  // Both ways are taken, or the fuzz is of no use.
  assert(multiples > 0 && singlesBehind > 0, `${multiples}, ${singlesBehind}`);
});
