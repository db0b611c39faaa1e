import { assertEquals } from "@std/assert";
import { median, percentile, shuffled, spread } from "../../bench/statistics.ts";

Deno.test("median is the one in the middle, or between the two in the middle", () => {
  assertEquals(median([3, 1, 2]), 2);
  assertEquals(median([4, 1, 3, 2]), 2.5);
  assertEquals(median([7]), 7);
});

Deno.test("percentile is a value that was measured", () => {
  const sorted = Array.from({ length: 100 }, (_, index) => index + 1);
  assertEquals(percentile(sorted, 0.5), 51);
  assertEquals(percentile(sorted, 0.99), 100);
  assertEquals(percentile([5], 0.99), 5);
});

Deno.test("spread has the median, the least and the greatest", () => {
  assertEquals(spread([10, 30, 20]), { median: 20, min: 10, max: 30 });
});

Deno.test("shuffled keeps every item, and leaves the original as it is", () => {
  const items = [1, 2, 3, 4];
  assertEquals(shuffled(items, () => 0), [2, 3, 4, 1]);
  assertEquals([...shuffled(items, Math.random)].sort(), items);
  assertEquals(items, [1, 2, 3, 4]);
});
