import { assertEquals } from "@std/assert";
import { type Linked, LinkedList } from "../src/linked_list.ts";
import { caseName, casesToRun, randomOfCase } from "./support/fuzz.ts";

interface Item extends Linked<Item> {
  readonly name: number;
}

const item = (name: number): Item => ({ name, previous: undefined, next: undefined });
const names = (items: Iterable<Item>) => [...items].map(({ name }) => name);

/** A list of so many items, named from 1 on. */
function listOf(count: number) {
  const list = new LinkedList<Item>();
  const items = Array.from({ length: count }, (_, index) => item(index + 1));
  for (const item of items) list.add(item);
  return { list, items };
}

Deno.test("LinkedList keeps the order in which items came, and knows the first", () => {
  const { list } = listOf(3);
  assertEquals([names(list), list.size, list.first?.name], [[1, 2, 3], 3, 1]);
  assertEquals([names(listOf(0).list), listOf(0).list.first], [[], undefined]);
});

Deno.test("LinkedList.delete takes any item out: the first, the last, the middle, the only one", () => {
  for (const [at, left] of [[0, [2, 3]], [1, [1, 3]], [2, [1, 2]]] as const) {
    const { list, items } = listOf(3);
    list.delete(items[at]);
    assertEquals([names(list), list.size, list.first?.name], [left, 2, left[0]]);
    list.add(item(9));
    assertEquals(names(list), [...left, 9]);
  }
  const { list, items: [only] } = listOf(1);
  list.delete(only);
  assertEquals([names(list), list.size, list.first], [[], 0, undefined]);
});

Deno.test("LinkedList forgets what was taken out, which may come again", () => {
  const { list, items } = listOf(3);
  list.delete(items[1]);
  assertEquals([items[1].previous, items[1].next], [undefined, undefined]);
  list.add(items[1]);
  assertEquals([names(list), list.size], [[1, 3, 2], 3]);
});

Deno.test("LinkedList can be emptied while it is gone through", () => {
  const { list } = listOf(4);
  const seen: number[] = [];
  for (const item of list) {
    seen.push(item.name);
    list.delete(item);
  }
  assertEquals([seen, list.size, list.first], [[1, 2, 3, 4], 0, undefined]);
});

Deno.test("LinkedList behaves as a Set does, over a long random life (fuzz)", () => {
  for (const index of casesToRun(200)) {
    const random = randomOfCase(index);
    const list = new LinkedList<Item>();
    const model = new Set<Item>();
    for (let step = 0; step < 300; step++) {
      if (model.size === 0 || random.chance(0.52)) {
        const added = item(step);
        list.add(added);
        model.add(added);
      } else {
        const taken = random.pick([...model]);
        list.delete(taken);
        model.delete(taken);
      }
      assertEquals([list.size, list.first?.name], [model.size, names(model)[0]], caseName(index));
    }
    assertEquals(names(list), names(model), caseName(index));
  }
});
