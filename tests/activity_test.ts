import { assertEquals } from "@std/assert";
import { type Activity, lookEveryMs, QuietClock } from "../src/activity.ts";

/** A clock that looks at what a test says, and the time that it says. */
function clock(first: Activity[]) {
  let seen = first;
  const quiet = new QuietClock(() => seen, 1_000);
  return (now: number, next: Activity[] = seen) => {
    seen = next;
    return quiet.quietFor(now);
  };
}

const source = {};
const at = (count: number, quiet = true, from: unknown = source): Activity => ({
  quiet,
  source: from,
  count,
});

Deno.test("QuietClock counts from the first look that finds nothing to do", () => {
  const look = clock([at(0)]);
  assertEquals([look(1_100), look(1_200), look(1_450)], [0, 100, 350]);
});

Deno.test("QuietClock begins again when something came and went between two looks", () => {
  const look = clock([at(0)]);
  assertEquals([look(1_100), look(1_200)], [0, 100]);
  assertEquals([look(1_300, [at(1)]), look(1_400), look(1_500, [at(9)])], [0, 100, 0]);
});

Deno.test("QuietClock does not count while one of them has something to do, or cannot tell", () => {
  const look = clock([at(0), at(0, false)]);
  assertEquals([look(1_100), look(1_200), look(9_000)], [0, 0, 0]);
  assertEquals([look(9_100, [at(0), at(0)]), look(9_200)], [100, 200]);
  assertEquals([look(9_300, [at(0, false), at(0)]), look(9_400, [at(0), at(0)])], [0, 100]);
});

Deno.test("QuietClock begins again when another channel counts, although its count is the same", () => {
  const look = clock([at(0)]);
  assertEquals([look(1_100), look(1_200)], [0, 100]);
  assertEquals([look(1_300, [at(0, true, {})]), look(1_350)], [0, 50]);
});

Deno.test("QuietClock takes one that counts nothing, as it was stopped", () => {
  const look = clock([{ ...at(3), source: undefined }]);
  assertEquals([look(1_100), look(1_200)], [100, 200]);
});

Deno.test("lookEveryMs looks ten times within the time, and once a second at least", () => {
  assertEquals([1, 10, 11, 5_000, 10_000, 2_147_483_647].map(lookEveryMs), [
    1,
    1,
    2,
    500,
    1_000,
    1_000,
  ]);
});
