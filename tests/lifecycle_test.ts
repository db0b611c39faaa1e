import { assert, assertEquals, assertRejects } from "@std/assert";
import { Lifecycle } from "../src/lifecycle.ts";

/** A thing that is started and stopped, and says when it may not be. */
class Thing {
  readonly lifecycle: Lifecycle<string> = new Lifecycle();
  begun = 0;
  ended = 0;
  /** What beginning and ending wait for. */
  begin: () => Promise<void> = async () => {};
  end: () => Promise<void> = async () => {};

  start(): Promise<void> {
    return this.lifecycle.start(async () => {
      this.begun++;
      await this.begin();
    });
  }

  stop(): Promise<string> {
    return this.lifecycle.stop(async () => {
      this.ended++;
      await this.end();
      return "stopped";
    }, "nothing");
  }
}

Deno.test("Lifecycle begins once, however often it is started, and ends once", async () => {
  const thing = new Thing();
  assertEquals(await thing.stop(), "nothing");
  await Promise.all([thing.start(), thing.start()]);
  await thing.start();
  assertEquals([thing.begun, thing.lifecycle.state.kind], [1, "running"]);
  assertEquals(await Promise.all([thing.stop(), thing.stop()]), ["stopped", "stopped"]);
  assertEquals([thing.ended, thing.lifecycle.state.kind, await thing.stop()], [
    1,
    "idle",
    "nothing",
  ]);
});

Deno.test("Lifecycle can be started again after it was stopped or failed", async () => {
  const thing = new Thing();
  thing.begin = () => Promise.reject(new Error("refused"));
  const both = [thing.start(), thing.start()];
  for (const started of both) await assertRejects(() => started, Error, "refused");
  assertEquals([thing.begun, thing.lifecycle.state.kind], [1, "idle"]);
  thing.begin = async () => {};
  for (let round = 0; round < 3; round++) {
    await thing.start();
    await thing.stop();
  }
  assertEquals([thing.begun, thing.ended], [4, 3]);
});

Deno.test("Lifecycle.stop interrupts a start, and a start then waits for that stop", async () => {
  const thing = new Thing();
  const begin = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  thing.begin = () => begin.promise;
  thing.end = () => {
    begin.reject(new Error("interrupted"));
    return end.promise;
  };
  const first = thing.start().catch((error) => error.message);
  const stopped = thing.stop();
  thing.begin = async () => {};
  const second = thing.start();
  assertEquals(await first, "interrupted");
  assertEquals([thing.begun, thing.lifecycle.state.kind], [1, "stopping"]);
  end.resolve();
  await Promise.all([stopped, second]);
  assertEquals([thing.begun, thing.ended, thing.lifecycle.state.kind], [2, 1, "running"]);
});

Deno.test("Lifecycle keeps to its order through a random life", async () => {
  const thing = new Thing();
  let alive = 0;
  let random = 7;
  const next = (limit: number) => (random = random * 48_271 % 2_147_483_647) % limit;
  const wait = async () => {
    for (let turns = next(5); turns > 0; turns--) await null;
  };
  thing.begin = async () => {
    await wait();
    if (next(5) === 0) throw new Error("refused");
    alive++;
  };
  thing.end = async () => {
    await wait();
    alive = 0;
  };
  const calls: Promise<unknown>[] = [];
  for (let step = 0; step < 2_000; step++) {
    calls.push(next(2) === 0 ? thing.start().catch(() => {}) : thing.stop());
    await wait();
  }
  await Promise.all(calls);
  await thing.stop();
  assertEquals([thing.lifecycle.state.kind, alive <= 1], ["idle", true]);
  assert(thing.begun > 100 && thing.ended > 100);
});
