import { assert, assertEquals } from "@std/assert";
import { decodeRawText, encodeRawText, isFaithful, isSendable } from "../src/raw_text.ts";
import { caseName, casesToRun, randomOfCase } from "./support/fuzz.ts";

const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

Deno.test("encodeRawText gives back the bytes that decodeRawText was given, whatever they are (fuzz)", () => {
  const texts = new Map<string, string>();
  for (const index of casesToRun(5_000)) {
    const random = randomOfCase(index);
    const bytes = Uint8Array.from(
      { length: random.below(12) },
      () => random.pick([0x41, 0x80, 0xC3, 0xE2, 0xED, 0xEF, 0xF0, 0xBF, 0xBD, random.below(256)]),
    );
    const text = decodeRawText(bytes);
    assertEquals(encodeRawText(text), bytes, caseName(index));
    assert(isSendable(text), caseName(index));
    // No two ids become the same text.
    assertEquals(texts.get(text) ?? `${bytes}`, `${bytes}`, caseName(index));
    texts.set(text, `${bytes}`);
    const decoded = lenient.decode(bytes);
    assertEquals(isFaithful(decoded, bytes), decoded === text, caseName(index));
  }
});

Deno.test("isSendable refuses half characters that stand for no bytes, or for a character", () => {
  for (
    const text of [
      "\ud800",
      "\udc00",
      "\udc7f",
      "\udd00",
      "\udcc3\udca9",
      "\udcf0\udc9f\udc98\udc80",
    ]
  ) {
    assertEquals(isSendable(text), false);
  }
  for (const text of ["", "é😀", "\udcff", "\udcc3", "\udcc3(\udca9", "a\udc80😀"]) {
    assertEquals(isSendable(text), true);
  }
});
