import { assertEquals } from "@std/assert";
import { extraSlotsFor, RetryRoom } from "../src/retry_room.ts";

Deno.test("extraSlotsFor leaves the workers theirs, and half of prefetch to others", () => {
  const slots = (waiting: number, prefetch: number, workers: number) =>
    extraSlotsFor(waiting, { prefetch, workers });
  assertEquals([slots(0, 1, 1), slots(1, 1, 1), slots(50, 50, 50)], [0, 1, 50]);
  assertEquals([slots(50, 100, 1), slots(51, 100, 1), slots(99, 100, 1)], [0, 1, 49]);
  assertEquals([slots(10, 100, 90), slots(11, 100, 90)], [0, 1]);
  assertEquals([slots(1_000, 1, 1), slots(5_000, 1, 1)], [1_000, 1_000]);
});

Deno.test("RetryRoom wants no slots where none may be added, and is full all the sooner", () => {
  for (const mayAdd of [true, false]) {
    const room = new RetryRoom({
      prefetch: 2,
      workers: 2,
      outstanding: 2,
      extraSlots: 0,
      mayAdd,
      shrink: () => {},
      countReady: () => Promise.resolve(0),
    });
    for (let count = 0; count < 2; count++) room.waits(1);
    assertEquals([room.waiting, room.wantedSlots, room.slots], mayAdd ? [2, 2, 4] : [2, 0, 2]);
    room.stop();
    // What its messages do afterwards sets no timer again.
    room.waits(-1);
    room.waits(1);
  }
});
