import { assert, assertEquals } from "@std/assert";
import { LoopWatch } from "../src/loop_watch.ts";
import { ConnectionCore } from "../src/connection_core.ts";
import { resolveConnectionOptions } from "../src/connection_options.ts";
import { eventually } from "./support/eventually.ts";
import { ScriptedDriver } from "./support/scripted_driver.ts";

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

Deno.test("the loop watch of a connection measures by the heartbeat that was agreed on", async () => {
  const driver = new ScriptedDriver();
  driver.script.connect = () => {
    driver.connections.at(-1)!.heartbeatSeconds = 1;
  };
  const options = resolveConnectionOptions({ url: "amqp://host", heartbeatSeconds: 3_600 });
  const core = new ConnectionCore(options, driver);
  core.links.consume.retain();
  const told: number[] = [];
  const end = core.loop.observe((blockedMs) => told.push(blockedMs));
  await core.links.consume.whenOpen(new AbortController().signal, true);
  const { gap } = core.loop;
  block(900);
  await eventually("the stretch is over", () => core.loop.gap > gap);
  end();
  assertEquals(told.length, 1);
  core.links.consume.release();
  await core.close();
});
