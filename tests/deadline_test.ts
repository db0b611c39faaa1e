import { assert, assertEquals } from "@std/assert";
import { Deadline } from "../src/deadline.ts";
import { MAX_TIMER_MS } from "../src/validate.ts";
import { eventually } from "./support/eventually.ts";

Deno.test("Deadline.left counts down to nothing, or to the least that is asked for", async () => {
  const deadline = new Deadline(20);
  assert(deadline.left() <= 20 && Number.isInteger(deadline.left()));
  await eventually("it is over", () => deadline.left() === 0);
  assertEquals(deadline.left(100), 100);
});

Deno.test("Deadline.left is never longer than it was at first", () => {
  for (let round = 0; round < 1_000; round++) {
    assert(new Deadline(MAX_TIMER_MS).left() <= MAX_TIMER_MS);
  }
});

Deno.test("Deadline.wait ends with the work, and leaves no timer", async () => {
  await new Deadline(60_000).wait(Promise.resolve());
});

Deno.test("Deadline.wait ends with the time although the work does not", async () => {
  await new Deadline(10).wait(new Promise(() => {}));
});

Deno.test("Deadline.wait may end before the time, and at once where less than that is left", async () => {
  const never = new Promise(() => {});
  const deadline = new Deadline(60_000);
  await deadline.wait(never, 59_995);
  await deadline.wait(never, 70_000);
  assert(deadline.left() > 0);
});
