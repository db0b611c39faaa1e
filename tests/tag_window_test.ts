import { assertEquals } from "@std/assert";
import { TagWindow } from "../src/tag_window.ts";
import { caseName, casesToRun, randomOfCase } from "./support/fuzz.ts";

/** A window with an item under each tag up to this one. */
function windowUpTo(lastTag: number): TagWindow<string> {
  const window = new TagWindow<string>();
  for (let tag = 1; tag <= lastTag; tag++) window.push(`item ${tag}`);
  return window;
}

Deno.test("TagWindow.take gives what has the tag, once, in any order", () => {
  const window = windowUpTo(3);
  assertEquals([window.take(2), window.take(2), window.take(1)], ["item 2", undefined, "item 1"]);
  assertEquals([window.size, [...window.values()]], [1, ["item 3"]]);
});

Deno.test("TagWindow.take gives nothing for tags that are not there", () => {
  const window = windowUpTo(3);
  window.take(1);
  for (const tag of [-1, 0, 1, 4, 2 ** 53]) assertEquals(window.take(tag), undefined);
  assertEquals(window.size, 2);
});

Deno.test("TagWindow.takeUpTo gives what is left up to the tag, in order", () => {
  const window = windowUpTo(5);
  window.take(2);
  assertEquals(window.takeUpTo(0), []);
  assertEquals(window.takeUpTo(3), ["item 1", "item 3"]);
  assertEquals(window.takeUpTo(99), ["item 4", "item 5"]);
  // Those that come have the tags that the channel has counted, whatever the broker spoke of.
  window.push("item 6");
  assertEquals([window.take(6), window.size], ["item 6", 0]);
});

Deno.test("TagWindow.clear begins again with tag 1", () => {
  const window = windowUpTo(5);
  window.take(1);
  window.clear();
  assertEquals([window.size, [...window.values()], window.take(2)], [0, [], undefined]);
  window.push("first");
  assertEquals(window.take(1), "first");
});

Deno.test("TagWindow behaves as a Map by tag does, over a long random life (fuzz)", () => {
  for (const index of casesToRun(100)) {
    const random = randomOfCase(index);
    const window = new TagWindow<string>();
    const model = new Map<number, string>();
    let lastTag = 0;
    for (let step = 0; step < 3_000; step++) {
      const choice = random.next();
      if (choice < 0.55) {
        const item = `item ${++lastTag}`;
        window.push(item);
        model.set(lastTag, item);
      } else if (choice < 0.95) {
        // Mostly what is outstanding, as brokers confirm.
        const tag = random.chance(0.1)
          ? random.between(-2, lastTag + 2)
          : lastTag - random.below(model.size + 3);
        assertEquals(window.take(tag), model.get(tag), caseName(index));
        model.delete(tag);
      } else if (choice < 0.999) {
        const tag = lastTag - random.below(model.size + 20);
        const upTo = [...model].filter(([key]) => key <= tag);
        assertEquals(window.takeUpTo(tag), upTo.map(([, item]) => item), caseName(index));
        for (const [key] of upTo) model.delete(key);
      } else {
        window.clear();
        model.clear();
        lastTag = 0;
      }
      assertEquals(window.size, model.size, caseName(index));
    }
    assertEquals([...window.values()], [...model.values()], caseName(index));
  }
});
