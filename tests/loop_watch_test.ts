import { assert, assertEquals } from "@std/assert";
import { LoopWatch } from "../src/loop_watch.ts";
import { eventually } from "./support/eventually.ts";

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

Deno.test("LoopWatch tells each observer once how long the loop stood still at least", async () => {
  const watch = new LoopWatch(0.4);
  const told: [string, number][] = [];
  const ends = ["a", "b"].map((name) =>
    watch.observe((blockedMs) => void told.push([name, blockedMs]))
  );
  const { gap } = watch;
  block(600);
  // And a few that follow, of which there is nothing to tell.
  await eventually("the stretch is over", () => watch.gap > gap + 2);
  assertEquals(told.map(([name]) => name), ["a", "b"]);
  // It stood still for as long as this test held it, less than one tick earlier or later.
  for (const [, blockedMs] of told) assert(blockedMs >= 350, `${blockedMs}`);
  for (const end of ends) end();
});

Deno.test("LoopWatch measures by half of the heartbeat interval, and by 5 s without heartbeats", async () => {
  for (const [heartbeatSeconds, limitMs] of [[10, 5_000], [1, 500], [0, 5_000]]) {
    for (const [heldMs, isTold] of [[limitMs - 1, false], [limitMs, true]] as const) {
      const times = [0, 250 + heldMs];
      const watch = new LoopWatch(heartbeatSeconds, () => times.shift() ?? 250 + heldMs);
      const told: number[] = [];
      const end = watch.observe((blockedMs) => void told.push(blockedMs));
      await eventually("it has ticked", () => watch.gap > 0);
      end();
      assertEquals(told, isTold ? [heldMs] : []);
    }
  }
});

Deno.test("LoopWatch ticks no more when nobody observes it, and again when somebody does", async () => {
  const watch = new LoopWatch(0.2);
  const told: number[] = [];
  watch.observe(() => told.push(1))();
  block(500);
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals([watch.gap, told], [0, []]);
  const end = watch.observe((blockedMs) => told.push(blockedMs));
  block(500);
  await eventually("it has ticked", () => watch.gap > 0);
  end();
  end();
  assertEquals(told.length, 1);
});
