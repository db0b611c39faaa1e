import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { printable, printableInspected, shownError } from "../src/printable.ts";

Deno.test("printable escapes what steers a terminal, forges a line or turns the text", () => {
  const texts = {
    "plain é😀 'text'": "plain é😀 'text'",
    "a\nERROR forged\r\t": "a\\nERROR forged\\r\\t",
    "\x1b[2J\x00\x07\x7f\x9b": "\\u001b[2J\\u0000\\u0007\\u007f\\u009b",
    "\u2028\u2029\u202e\u2066\u200f\ufeff": "\\u2028\\u2029\\u202e\\u2066\\u200f\\ufeff",
    "id \udcff": "id \\udcff",
  };
  for (const [text, shown] of Object.entries(texts)) assertEquals(printable(text), shown);
});

Deno.test("printableInspected keeps the lines and colours of what was inspected", () => {
  assertEquals(
    printableInspected("\x1b[32m'a\u202e'\x1b[39m,\n  b"),
    "\x1b[32m'a\\u202e'\x1b[39m,\n  b",
  );
});

Deno.test("shownError leaves an error as it is where nothing is to be escaped", () => {
  const error = new Error("plain", { cause: new Error("too") });
  assertStrictEquals(shownError(error), error);
  for (const thrown of [undefined, null, 5]) assertStrictEquals(shownError(thrown), thrown);
});

Deno.test("shownError gives a copy in which no text is raw, its stack and its causes included", () => {
  const cause = Object.assign(new TypeError("in\nner\x1b"), { stackAtStateChange: "a\x1b\nb" });
  const error = Object.assign(new RangeError("out\x1b[2J", { cause }), { code: 404 });
  const shown = shownError(error) as Error & { code: number; cause: Error };
  assertEquals([shown.name, shown.message, shown.code], ["RangeError", "out\\u001b[2J", 404]);
  assertEquals([shown.cause.name, shown.cause.message], ["TypeError", "in\\nner\\u001b"]);
  assertEquals(Object.entries(shown.cause), [["stackAtStateChange", "a\\u001b\nb"]]);
  const text = Deno.inspect(shown) + shown.stack;
  // deno-lint-ignore no-control-regex
  assert(!/\x1b|in\nner/.test(text), text);
  assert(text.includes("printable_test.ts"), text);
});
