import { assertEquals } from "@std/assert";
import { FlushCounter } from "../src/flush_counter.ts";

Deno.test("FlushCounter.flush resolves at once where nothing is open", async () => {
  const counter = new FlushCounter();
  assertEquals(await counter.flush(), { confirmed: 0, failed: 0 });
  counter.sent(1);
  counter.settled(1, true);
  assertEquals(await counter.flush(), { confirmed: 1, failed: 0 });
});

Deno.test("FlushCounter.flush waits for what came before it, in whatever order it is settled", async () => {
  const counter = new FlushCounter();
  counter.sent(1);
  counter.sent(2);
  const first = counter.flush();
  counter.sent(3);
  const second = counter.flush();
  counter.settled(3, false);
  counter.settled(2, true);
  counter.settled(1, false);
  assertEquals(await first, { confirmed: 1, failed: 1 });
  assertEquals(await second, { confirmed: 1, failed: 2 });
});

Deno.test("FlushCounter.flush goes on counting where the numbers have gaps", async () => {
  const counter = new FlushCounter();
  counter.sent(10);
  counter.sent(20);
  const flushed = counter.flush();
  counter.settled(20, true);
  counter.settled(10, true);
  assertEquals(await flushed, { confirmed: 2, failed: 0 });
});

Deno.test("FlushCounter.flush waits for what came before a restart, and counts what came after", async () => {
  const counter = new FlushCounter();
  counter.sent(1);
  const before = counter.flush();
  counter.restart();
  counter.sent(2);
  const after = counter.flush();
  let answered = false;
  void after.then(() => answered = true);
  counter.settled(2, true);
  await Promise.resolve();
  assertEquals(answered, false);
  counter.settled(1, false);
  assertEquals(await before, { confirmed: 0, failed: 1 });
  assertEquals(await after, { confirmed: 1, failed: 0 });
});
