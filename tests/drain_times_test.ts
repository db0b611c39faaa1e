import { assert, assertEquals } from "@std/assert";
import { drainDefault } from "../src/drain_default.ts";
import { drainTimes } from "../src/drain_times.ts";
import { withVariables } from "./support/variables.ts";

Deno.test("drainDefault is 4 s where DENO_DEPLOY is set, whenever it is asked", () => {
  for (const value of [undefined, ""]) {
    using _ = withVariables({ DENO_DEPLOY: value });
    assertEquals([drainDefault(25_000), drainDefault(undefined)], [25_000, undefined]);
  }
  using _ = withVariables({ DENO_DEPLOY: "true" });
  assertEquals([drainDefault(25_000), drainDefault(undefined)], [4_000, 4_000]);
});

Deno.test("drainTimes has tasks end, and closes, before the deadline", () => {
  assertEquals(drainTimes(4_000), { recallMs: 1_000, closeMs: 250 });
  assertEquals(drainTimes(25_000), { recallMs: 1_000, closeMs: 250 });
  assertEquals(drainTimes(400), { recallMs: 100, closeMs: 25 });
  assertEquals(drainTimes(0), { recallMs: 0, closeMs: 0 });
  for (let timeoutMs = 1; timeoutMs < 5_000; timeoutMs++) {
    const { recallMs, closeMs } = drainTimes(timeoutMs);
    assert(closeMs <= recallMs && recallMs < timeoutMs, `${timeoutMs}`);
  }
});
