import { assert, assertEquals, assertRejects } from "@std/assert";
import { Room } from "../src/room.ts";

Deno.test("Room.ready is resolved while there is room, and pending while there is none", async () => {
  let free = true;
  const room = new Room(() => free);
  await room.ready;
  free = false;
  let ready = false;
  const waiting = room.ready.then(() => ready = true);
  assert(room.ready === room.ready);
  room.update();
  await null;
  assertEquals(ready, false);
  free = true;
  room.update();
  await waiting;
});

Deno.test("Room.close rejects who waits, and ends no program where nobody does", async () => {
  const room = new Room(() => false);
  void room.ready;
  const waiting = room.ready;
  room.close(new Error("stopped"));
  room.close(new Error("stopped again"));
  await assertRejects(() => waiting, Error, "stopped");
});
