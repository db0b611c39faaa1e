import { assertEquals, assertRejects } from "@std/assert";
import { windowed } from "../../bench/windowed.ts";

Deno.test("windowed never has more messages unconfirmed than its window", async () => {
  const open: (() => void)[] = [];
  let sent = 0;
  const end = windowed(10, 3, (done) => {
    sent++;
    open.push(done);
  });
  assertEquals([sent, open.length], [3, 3]);
  while (open.length > 0) {
    open.shift()!();
    assertEquals(open.length <= 3, true);
  }
  await end;
  assertEquals(sent, 10);
});

Deno.test("windowed rejects where a message is not confirmed", async () => {
  const end = windowed(2, 1, (done) => done(new Error("nacked")));
  await assertRejects(() => end, Error, "nacked");
});
