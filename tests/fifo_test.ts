import { assertEquals } from "@std/assert";
import { Fifo } from "../src/fifo.ts";

Deno.test("Fifo gives out what it was given, oldest first", () => {
  const fifo = new Fifo<number>();
  assertEquals([fifo.length, fifo.peek(), fifo.shift()], [0, undefined, undefined]);
  for (const item of [1, 2, 3]) fifo.push(item);
  assertEquals([fifo.length, fifo.peek(), fifo.shift(), fifo.shift()], [3, 1, 1, 2]);
  fifo.push(4);
  assertEquals([fifo.shift(), fifo.shift(), fifo.shift()], [3, 4, undefined]);
});

Deno.test("Fifo.prepend puts items first, in their order", () => {
  const fifo = new Fifo<number>();
  for (const item of [0, 3, 4]) fifo.push(item);
  fifo.shift();
  fifo.prepend([1, 2]);
  fifo.prepend([]);
  assertEquals(fifo.drain(), [1, 2, 3, 4]);
  assertEquals([fifo.length, fifo.shift()], [0, undefined]);
});

Deno.test("Fifo.at and replace count from the oldest item, whatever was taken out before", () => {
  const fifo = new Fifo<number>();
  for (let item = 0; item < 3_000; item++) fifo.push(item);
  for (let taken = 0; taken < 2_000; taken++) {
    assertEquals([fifo.at(0), fifo.at(7), fifo.at(3_000 - taken)], [taken, taken + 7, undefined]);
    assertEquals(fifo.shift(), taken);
  }
  fifo.replace(1, -1);
  assertEquals([fifo.at(-1), fifo.length], [undefined, 1_000]);
  assertEquals([fifo.shift(), fifo.shift(), fifo.shift()], [2_000, -1, 2_002]);
});

Deno.test("Fifo behaves as an array does, over a long random life", () => {
  const fifo = new Fifo<number>();
  const model: number[] = [];
  let random = 1;
  for (let step = 0; step < 50_000; step++) {
    random = random * 48_271 % 2_147_483_647;
    const choice = random % 100;
    if (choice < 55) {
      fifo.push(step);
      model.push(step);
    } else if (choice < 99) {
      assertEquals(fifo.shift(), model.shift());
    } else {
      fifo.prepend([-step, -step - 1]);
      model.unshift(-step, -step - 1);
    }
    assertEquals([fifo.length, fifo.peek()], [model.length, model[0]]);
  }
  assertEquals(fifo.drain(), model);
});
