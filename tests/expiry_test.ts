import { assert, assertEquals } from "@std/assert";
import { type Expiring, Expiry } from "../src/expiry.ts";
import { eventually } from "./support/eventually.ts";

/** Things that expire so many milliseconds from now. */
function expiryForTest(...delaysMs: number[]) {
  const now = performance.now();
  const open = new Set<Expiring>(delaysMs.map((delayMs) => ({ deadline: now + delayMs })));
  const expired: Expiring[] = [];
  const expiry: Expiry<Expiring> = new Expiry(() => [...open][0], (item) => {
    assert(item.deadline <= performance.now());
    open.delete(item);
    expired.push(item);
  });
  return { expiry, open, expired };
}

Deno.test("Expiry takes out each thing when its time is over, not sooner", async () => {
  const { expiry, open, expired } = expiryForTest(0, 10, 10, 30, 60_000);
  expiry.watch();
  await eventually("four have expired", () => expired.length === 4);
  assertEquals(open.size, 1);
  expiry.stop();
});

Deno.test("Expiry watches what is added later, also after it had nothing to watch", async () => {
  const { expiry, open, expired } = expiryForTest();
  expiry.watch();
  open.add({ deadline: performance.now() + 5 });
  expiry.watch();
  expiry.watch();
  await eventually("it has expired", () => expired.length === 1);
  open.add({ deadline: performance.now() - 5 });
  expiry.watch();
  await eventually("it has expired as well", () => expired.length === 2);
});

Deno.test("Expiry that was stopped leaves no timer behind, and can watch again", async () => {
  const { expiry, open, expired } = expiryForTest(60_000);
  expiry.watch();
  expiry.stop();
  expiry.stop();
  open.clear();
  open.add({ deadline: performance.now() + 5 });
  expiry.watch();
  await eventually("it has expired", () => expired.length === 1);
});
