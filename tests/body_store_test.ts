import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { copyBody, dropSpares, encodeText, giveBack, isWorthKeeping } from "../src/body_store.ts";
import { caseName, casesToRun, randomOfCase } from "./support/fuzz.ts";

const SMALL_BYTES = 4_096;

Deno.test("copyBody gives a copy that the program cannot change", () => {
  for (const length of [1, 100, SMALL_BYTES, SMALL_BYTES + 1, 100_000]) {
    const body = new Uint8Array(length).fill(7);
    const copy = copyBody(body);
    body.fill(8);
    assertEquals(copy, new Uint8Array(length).fill(7));
  }
});

Deno.test("copyBody copies what a view shows, and no more", () => {
  const bytes = new Uint8Array([0, 1, 2, 3]);
  assertEquals(copyBody(bytes.subarray(1, 3)), new Uint8Array([1, 2]));
  assertEquals(copyBody(new Uint8Array()), new Uint8Array());
});

Deno.test("copyBody gives large bodies memory of their own, and small ones some that they share", () => {
  const [first, second] = [copyBody(new Uint8Array(10)), copyBody(new Uint8Array(10))];
  // One of the two may have been the last that fitted.
  const third = copyBody(new Uint8Array(10));
  assert(first.buffer === second.buffer || second.buffer === third.buffer);
  const large = copyBody(new Uint8Array(SMALL_BYTES + 1));
  assertEquals(large.buffer.byteLength, SMALL_BYTES + 1);
  assertNotStrictEquals(large.buffer, third.buffer);
});

Deno.test("encodeText gives long texts memory of their own, and short ones no more than they need", () => {
  const long = encodeText("x".repeat(5_000));
  assertEquals(long, new Uint8Array(5_000).fill(120));
  const slab = encodeText("a").buffer;
  assertNotStrictEquals(long.buffer, slab);
  // Three times as much was set aside for each as it takes.
  const texts = Array.from({ length: 20 }, () => encodeText("x".repeat(100)));
  const adjoining = texts.slice(1).filter(({ buffer, byteOffset }, index) =>
    buffer === texts[index].buffer && byteOffset === texts[index].byteOffset + 100
  );
  // But for one pair, between which new memory may have been begun.
  assert(adjoining.length >= 18, `${adjoining.length}`);
});

Deno.test("encodeText gives the UTF-8 of characters of every width, and of halves of them", () => {
  const decoder = new TextDecoder();
  for (const character of ["x", "\0", "é", "€", "\uFFFF", "😀", "\u{10FFFF}", "\ud800"]) {
    for (const length of [0, 1, 2, 63, 64, 65, 682, 683, 1_364, 1_365, 1_366, 4_096, 4_097]) {
      const text = character.repeat(length);
      assertEquals(decoder.decode(encodeText(text)), text.toWellFormed());
    }
  }
});

Deno.test("copyBody and encodeText leave all earlier bodies as they were (fuzz)", () => {
  for (const index of casesToRun(20)) {
    const random = randomOfCase(index);
    const kept: { body: Uint8Array; expected: Uint8Array }[] = [];
    for (let count = 0; count < 300; count++) {
      const length = random.pick([0, 1, 3, 100, random.below(SMALL_BYTES + 10), SMALL_BYTES]);
      if (random.chance(0.5)) {
        const bytes = new Uint8Array(length).fill(random.below(256));
        kept.push({ body: copyBody(bytes), expected: bytes.slice() });
        bytes.fill(255);
      } else {
        const text = random.pick(["x", "é", "€", "😀"]).repeat(length / 2);
        kept.push({ body: encodeText(text), expected: new TextEncoder().encode(text) });
      }
    }
    for (const { body, expected } of kept) assertEquals(body, expected, caseName(index));
  }
});

/** A copy of a body of this length, with which nothing that was given back is used. */
function fresh(length: number): Uint8Array {
  dropSpares();
  return copyBody(new Uint8Array(length).fill(1));
}

Deno.test("copyBody uses the memory of a large body again that was given back, once", () => {
  const before = fresh(200_000);
  giveBack(before);
  const bodies = [150_000, 150_000].map((length) => copyBody(new Uint8Array(length).fill(2)));
  for (const body of bodies) assertEquals(body, new Uint8Array(150_000).fill(2));
  assertEquals(bodies.map(({ buffer }) => buffer === before.buffer), [true, false]);
});

Deno.test("copyBody uses no memory that is too small, or far too large", () => {
  const before = fresh(200_000);
  giveBack(before);
  for (const length of [200_001, 99_999, 100]) {
    assertNotStrictEquals(copyBody(new Uint8Array(length)).buffer, before.buffer);
  }
  for (const length of [200_000, 100_000]) {
    const body = copyBody(new Uint8Array(length));
    assertStrictEquals(body.buffer, before.buffer);
    giveBack(body);
  }
});

Deno.test("giveBack keeps no more than 16 MiB, and nothing is worth it that small bodies share", () => {
  const megabyte = 1024 * 1024;
  const lengths = [0, 100, 64 * 1024, 64 * 1024 + 1, 16 * megabyte, 17 * megabyte];
  const worth = lengths.map((length) => isWorthKeeping(fresh(length)));
  assertEquals(worth, [false, false, false, true, true, false]);
  const given = Array.from({ length: 20 }, () => copyBody(new Uint8Array(megabyte)));
  for (const body of given) giveBack(body);
  const known = new Set(given.map(({ buffer }) => buffer));
  const taken = Array.from({ length: 20 }, () => copyBody(new Uint8Array(megabyte)));
  assertEquals(taken.filter(({ buffer }) => known.has(buffer)).length, 16);
  dropSpares();
});
