import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConfigurationError } from "../src/errors.ts";
import {
  boolean,
  integer,
  knownOptions,
  MAX_TIMER_MS,
  milliseconds,
  nonEmptyText,
  oneOf,
  optionalFunction,
  optionalSignal,
  show,
  text,
} from "../src/validate.ts";

/** Fails unless the code throws a `ConfigurationError` whose message holds all of these texts. */
function assertRefused(code: () => unknown, ...texts: string[]): void {
  const { message } = assertThrows(code, ConfigurationError);
  for (const text of texts) assert(message.includes(text), `${message} lacks ${text}`);
}

Deno.test("show writes every value on one short line", () => {
  const circular: unknown[] = [];
  circular.push(circular);
  const cases: [unknown, string][] = [
    ["a\nb", `"a\\nb"`],
    ["x".repeat(100), `"${"x".repeat(60)}…"`],
    [10n, "10n"],
    [Symbol("s"), "Symbol(s)"],
    [() => {}, "a function"],
    [null, "null"],
    [undefined, "undefined"],
    [NaN, "NaN"],
    [circular, "an array"],
    [new Map(), "an object (Map)"],
    [Object.create(null), "an object (no class)"],
    [{ constructor: { name: Symbol("s") } }, "an object (Symbol(s))"],
    [
      Object.defineProperty({}, "constructor", { get: () => assert(false) }),
      "an object (no class)",
    ],
  ];
  for (const [value, expected] of cases) assertEquals(show(value), expected);
});

Deno.test("knownOptions refuses what is no object, and names that it does not know", () => {
  assertEquals(knownOptions("thing", { a: 1 }, ["a", "b"]), { a: 1 });
  assertRefused(() => knownOptions("thing", { c: 1 }, ["a", "b"]), `"c"`, "thing", "a, b");
  for (const value of [null, undefined, 1, "a", [], () => {}]) {
    assertRefused(() => knownOptions("thing", value, ["a"]), "thing");
  }
});

Deno.test("knownOptions names the option that was probably meant, and none at random", () => {
  const known = ["hostname", "username", "queueName", "queueArguments", "prefetch", "workers"];
  const meant = (name: string) => {
    const { message } = assertThrows(() => knownOptions("thing", { [name]: 1 }, known), Error);
    return /did you mean "(.*?)"\?/.exec(message)?.[1];
  };
  assertEquals(meant("hostName"), "hostname");
  assertEquals(meant("hsotname"), "hostname");
  assertEquals(meant("worker"), "workers");
  assertEquals(meant("host"), "hostname");
  assertEquals(meant("queue"), "queueName");
  assertEquals(meant("prefetchCount"), "prefetch");
  for (const name of ["a", "", "colour", "x".repeat(10_000)]) assertEquals(meant(name), undefined);
});

Deno.test("integer takes whole numbers within its range alone", () => {
  const range = { min: 1, max: 10, unit: "things" };
  assertEquals([integer("n", undefined, range, 5), integer("n", 1, range, 5)], [5, 1]);
  for (const value of [0, 11, 1.5, NaN, Infinity, "5", null, 5n, {}, [5], true]) {
    assertRefused(() => integer("n", value, range, 5), `"n"`, show(value), "1 to 10 things");
  }
});

Deno.test("milliseconds takes no delay that a timer cannot hold", () => {
  assertEquals(milliseconds("t", MAX_TIMER_MS, 0, 1), MAX_TIMER_MS);
  assertRefused(() => milliseconds("t", MAX_TIMER_MS + 1, 0, 1), "0 to 2147483647 milliseconds");
});

Deno.test("text counts bytes, not characters, and takes no half characters", () => {
  assertEquals(text("t", "é".repeat(127)), "é".repeat(127));
  assertEquals(text("t", "x".repeat(255)), "x".repeat(255));
  for (const value of ["é".repeat(128), "x".repeat(256), "😀".repeat(64)]) {
    assertRefused(() => text("t", value), `"t"`, "255 bytes");
  }
  assertRefused(() => text("t", "😀".slice(0, 1)), "half characters");
  for (const value of [undefined, null, 1, {}, new String("x")]) {
    assertRefused(() => text("t", value), "a string");
  }
  assertRefused(() => nonEmptyText("t", ""), "not empty");
});

Deno.test("oneOf, boolean, optionalFunction and optionalSignal take what they name alone", () => {
  assertEquals(oneOf("w", undefined, ["a", "b"], "b"), "b");
  assertRefused(() => oneOf("w", "c", ["a", "b"], "a"), `"c"`, `"a" or "b"`);
  assertEquals(boolean("b", undefined, true), true);
  assertRefused(() => boolean("b", 1, true), "true or false");
  assertEquals(optionalFunction("f", undefined), undefined);
  assertRefused(() => optionalFunction("f", {}), "a function");
  assertEquals(optionalSignal("s", undefined), undefined);
  assertRefused(() => optionalSignal("s", {}), "an AbortSignal");
});
