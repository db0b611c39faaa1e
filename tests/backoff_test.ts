import { assertEquals } from "@std/assert";
import { backoffDelay, doubled } from "../src/backoff.ts";

const options = { initialDelayMs: 100, maxDelayMs: 5_000 };

Deno.test("backoffDelay doubles with each attempt, up to the longest delay", () => {
  const most = [1, 2, 3, 6, 7, 100].map((attempt) => backoffDelay(attempt, options, () => 1));
  assertEquals(most, [100, 200, 400, 3_200, 5_000, 5_000]);
});

Deno.test("backoffDelay has jitter down to half of the delay", () => {
  const delays = [0, 0.5, 1].map((random) => backoffDelay(3, options, () => random));
  assertEquals(delays, [200, 300, 400]);
});

Deno.test("doubled stays finite however many attempts there were", () => {
  assertEquals(doubled(100, 1_000_000, 5_000), 5_000);
  assertEquals(doubled(1, 100_000, Number.MAX_SAFE_INTEGER), 2 ** 52);
});
