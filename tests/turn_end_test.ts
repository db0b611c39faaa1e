import { assertEquals } from "@std/assert";
import { TurnEnd } from "../src/turn_end.ts";
import { nextTurn } from "./support/next_turn.ts";

/** Counts how often the end came, and says what had been added by then. */
function turnEndForTest() {
  const ends: number[] = [];
  let added = 0;
  const turnEnd = new TurnEnd(() => ends.push(added));
  const add = () => {
    added++;
    turnEnd.await();
  };
  return { ends, add };
}

Deno.test("TurnEnd comes once for all that is added in one turn, and not within it", async () => {
  const { ends, add } = turnEndForTest();
  for (let count = 0; count < 5; count++) add();
  assertEquals(ends, []);
  await nextTurn();
  assertEquals(ends, [5]);
  await nextTurn();
  assertEquals(ends, [5]);
});

Deno.test("TurnEnd waits for what a loop adds that awaits only what is resolved already", async () => {
  const { ends, add } = turnEndForTest();
  for (let count = 0; count < 100; count++) {
    add();
    await null;
    await Promise.resolve();
  }
  assertEquals(ends, []);
  await nextTurn();
  assertEquals(ends, [100]);
});

Deno.test("TurnEnd comes before any timer or input, and again for what is added afterwards", async () => {
  const { ends, add } = turnEndForTest();
  const seen: number[] = [];
  add();
  const timer = new Promise<void>((resolve) =>
    setTimeout(() => {
      seen.push(ends.length);
      resolve();
    })
  );
  await timer;
  assertEquals(seen, [1]);
  add();
  await nextTurn();
  assertEquals(ends, [1, 2]);
});

Deno.test("TurnEnd that adds to itself comes again", async () => {
  let left = 3;
  const turnEnd: TurnEnd = new TurnEnd(() => {
    if (left-- > 0) turnEnd.await();
  });
  turnEnd.await();
  await nextTurn();
  assertEquals(left, -1);
});

Deno.test("TurnEnd is one for all: what one does at the end does not wait for another", async () => {
  const order: string[] = [];
  const later = new TurnEnd(() => order.push("later"));
  const first = new TurnEnd(() => {
    order.push("first");
    later.await();
    queueMicrotask(() => order.push("a microtask"));
  });
  first.await();
  await nextTurn();
  assertEquals(order, ["first", "later", "a microtask"]);
});

Deno.test("TurnEnd of one comes although that of another throws", async () => {
  let came = false;
  const thrown = Promise.withResolvers<unknown>();
  const listener = (event: ErrorEvent) => {
    event.preventDefault();
    thrown.resolve(event.error);
  };
  addEventListener("error", listener, { once: true });
  new TurnEnd(() => {
    throw new Error("broken");
  }).await();
  new TurnEnd(() => came = true).await();
  assertEquals(`${await thrown.promise}`, "Error: broken");
  await nextTurn();
  assertEquals(came, true);
});
