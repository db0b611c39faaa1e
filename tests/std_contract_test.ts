/**
 * What this repository relies on in `@std`, whether it comes from jsr.io, from a checkout or from the stand-ins.
 */
import {
  assert,
  assertAlmostEquals,
  assertArrayIncludes,
  assertEquals,
  assertExists,
  assertFalse,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  AssertionError,
  assertIsError,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertNotMatch,
  assertNotStrictEquals,
  assertObjectMatch,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  equal,
  fail,
} from "@std/assert";
import { deadline } from "@std/async/deadline";
import { delay } from "@std/async/delay";
import { Semaphore } from "@std/async/unstable-semaphore";
import { parse } from "@std/dotenv/parse";

/** Plain `throw`, so that a broken assertion cannot vouch for itself. */
function expectFailure(assertion: () => unknown, ...texts: string[]): void {
  try {
    assertion();
  } catch (error) {
    if (!(error instanceof AssertionError)) throw error;
    for (const text of texts) {
      if (!error.message.includes(text)) throw new Error(`"${error.message}" lacks "${text}"`);
    }
    return;
  }
  throw new Error(`This assertion should have failed: ${assertion}`);
}

async function expectRejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("This promise should have been rejected");
}

class Money {
  constructor(readonly amount: number) {}
}

Deno.test("equal compares in depth", () => {
  const same: [unknown, unknown][] = [
    [NaN, NaN],
    [0, -0],
    [{ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }],
    [{ a: 1, b: 2 }, { b: 2, a: 1 }],
    [new Set([{ a: 1 }, 2]), new Set([2, { a: 1 }])],
    [new Map([["k", [1]]]), new Map([["k", [1]]])],
    [new Date(5), new Date(5)],
    [/a/g, /a/g],
    [new Uint8Array([1, 2]), new Uint8Array([1, 2])],
    [new URL("amqp://h/v"), new URL("amqp://h/v")],
    [new Money(1), new Money(1)],
    [Object.create(null), {}],
  ];
  for (const [a, b] of same) if (!equal(a, b)) throw new Error(Deno.inspect([a, b]));
  const different: [unknown, unknown][] = [
    [1, "1"],
    [null, undefined],
    [{ a: undefined }, {}],
    [[1, 2], [2, 1]],
    [[1], [1, 2]],
    [new Set([1]), new Set([2])],
    [new Map([["k", 1]]), new Map([["k", 2]])],
    [new Date(5), new Date(6)],
    [/a/g, /a/i],
    [new Uint8Array([1, 2]), new Uint8Array([1, 3])],
    [new Uint8Array([1]), [1]],
    [new URL("amqp://h/v"), new URL("amqp://h/w")],
    [new Money(1), new Money(2)],
    [new Money(1), { amount: 1 }],
    [new Error("a"), new Error("b")],
    [new Error("a"), new TypeError("a")],
  ];
  for (const [a, b] of different) if (equal(a, b)) throw new Error(Deno.inspect([a, b]));
});

Deno.test("equal follows circles", () => {
  const circle = () => {
    const node: Record<string, unknown> = { name: "a" };
    node.self = node;
    return node;
  };
  assert(equal(circle(), circle()));
});

Deno.test("equality assertions pass on what is the same and fail on what is not", () => {
  const shared = { a: 1 };
  assertEquals({ a: 1 }, { a: 1 });
  expectFailure(
    () => assertEquals({ a: 1 }, { a: 2 }, "my words"),
    "not equal",
    "my words",
    "a: 2",
  );
  expectFailure(() => assertEquals("one\ntwo", "one\nthree"), "two", "three");
  assertNotEquals(1, 2);
  expectFailure(() => assertNotEquals([1], [1]));
  assertStrictEquals(shared, shared);
  expectFailure(() => assertStrictEquals({ a: 1 }, { a: 1 }));
  expectFailure(() => assertStrictEquals(1 as number, 2));
  assertNotStrictEquals({ a: 1 }, { a: 1 });
  expectFailure(() => assertNotStrictEquals(shared, shared));
});

Deno.test("truth assertions tell values apart", () => {
  assert(1);
  expectFailure(() => assert(0, "my words"), "my words");
  assertFalse(0);
  expectFailure(() => assertFalse(1));
  assertExists(0);
  expectFailure(() => assertExists(null));
  expectFailure(() => assertExists(undefined, "my words"), "my words");
  assertInstanceOf(new TypeError(), Error);
  expectFailure(() => assertInstanceOf(new Error(), TypeError), "TypeError");
  expectFailure(() => assertInstanceOf(null, Error), "null");
  expectFailure(() => fail("my words"), "my words");
});

Deno.test("number assertions compare", () => {
  assertGreater(2, 1);
  assertGreaterOrEqual(2, 2);
  assertLess(1, 2);
  assertLessOrEqual(2, 2);
  assertAlmostEquals(0.1 + 0.2, 0.3);
  assertAlmostEquals(10, 11, 1);
  expectFailure(() => assertGreater(1, 1), "1 > 1");
  expectFailure(() => assertGreaterOrEqual(1, 2), "1 >= 2");
  expectFailure(() => assertLess(1, 1), "1 < 1");
  expectFailure(() => assertLessOrEqual(2, 1), "2 <= 1");
  expectFailure(() => assertAlmostEquals(10, 11, 0.5), "10", "11");
});

Deno.test("content assertions search texts, arrays and objects", () => {
  assertMatch("lapin", /^la/);
  expectFailure(() => assertMatch("lapin", /x/), "lapin");
  assertNotMatch("lapin", /x/);
  expectFailure(() => assertNotMatch("lapin", /p/), "lapin");
  assertStringIncludes("lapin", "pin");
  expectFailure(() => assertStringIncludes("lapin", "x"), "lapin");
  assertArrayIncludes([1, { a: 2 }, 3], [{ a: 2 }, 1]);
  expectFailure(() => assertArrayIncludes([1, 2], [2, 3]), "missing");
  assertObjectMatch({ a: 1, b: { c: [1, 2], d: 3 } }, { b: { c: [1, 2] } });
  assertObjectMatch({ at: new Date(5), body: "x" }, { at: new Date(5) });
  expectFailure(() => assertObjectMatch({ a: 1, b: 2 }, { b: 3 }));
  expectFailure(() => assertObjectMatch({ a: 1 }, { a: 1, b: 2 }));
});

Deno.test("assertThrows returns what was thrown", () => {
  const oops = () => {
    throw new TypeError("no such rabbit");
  };
  assertStrictEquals(assertThrows(oops, TypeError, "such").message, "no such rabbit");
  assertInstanceOf(assertThrows(oops), TypeError);
  expectFailure(() => assertThrows(() => 1, "my words"), "my words");
  expectFailure(() => assertThrows(() => 1, Error, "", "my words"), "my words");
  expectFailure(() => assertThrows(oops, RangeError), "RangeError");
  expectFailure(() => assertThrows(oops, TypeError, "hare"), "hare", "no such rabbit");
  expectFailure(() =>
    assertThrows(() => {
      throw "text";
    }, Error)
  );
  assertIsError(new RangeError("far"), Error, /^fa/);
  expectFailure(() => assertIsError(new RangeError("far"), Error, /^near/));
  expectFailure(() => assertIsError("far"));
});

Deno.test("assertRejects returns the reason", async () => {
  const oops = () => Promise.reject(new TypeError("no such rabbit"));
  assertStrictEquals((await assertRejects(oops, TypeError, "such")).message, "no such rabbit");
  assertInstanceOf(await assertRejects(oops), TypeError);
  const failures = [
    assertRejects(() => Promise.resolve(1)),
    assertRejects(oops, RangeError),
    assertRejects(oops, TypeError, "hare"),
    assertRejects(() => {
      throw new TypeError("not a promise");
    }, TypeError),
  ];
  for (const failure of failures) {
    assertInstanceOf(await expectRejection(failure), AssertionError);
  }
});

Deno.test("delay waits, and stops waiting when its signal aborts", async () => {
  const start = performance.now();
  await delay(30);
  assertGreaterOrEqual(performance.now() - start, 29);
  await delay(-1);

  const reason = new Error("enough");
  const controller = new AbortController();
  const waiting = delay(60_000, { signal: controller.signal });
  controller.abort(reason);
  assertStrictEquals(await expectRejection(waiting), reason);
  assertStrictEquals(await expectRejection(delay(1, { signal: controller.signal })), reason);
});

Deno.test("delay holds times that one timer cannot", async () => {
  const controller = new AbortController();
  const outcomes = await Promise.race([
    delay(2 ** 31 + 1_000, { signal: controller.signal }).catch(() => "aborted"),
    delay(20).then(() => "still waiting"),
  ]);
  controller.abort();
  assertEquals(outcomes, "still waiting");
});

Deno.test("deadline passes an outcome on, and cuts a long wait short", async () => {
  assertEquals(await deadline(Promise.resolve(7), 1_000), 7);
  const reason = new Error("mine");
  assertStrictEquals(await expectRejection(deadline(Promise.reject(reason), 1_000)), reason);

  const never = new Promise<never>(() => {});
  const late = await expectRejection(deadline(never, 10));
  assertInstanceOf(late, DOMException);
  assertEquals(late.name, "TimeoutError");

  const stop = AbortSignal.abort(reason);
  assertStrictEquals(await expectRejection(deadline(never, 1_000, { signal: stop })), reason);
  const controller = new AbortController();
  const waiting = deadline(never, 1_000, { signal: controller.signal });
  controller.abort(reason);
  assertStrictEquals(await expectRejection(waiting), reason);
  assertEquals(await deadline(Promise.resolve(8), Infinity), 8);
});

Deno.test("Semaphore admits no more than its number, in order", async () => {
  const semaphore = new Semaphore(2);
  const first = await semaphore.acquire();
  const second = semaphore.tryAcquire();
  assertExists(second);
  assertEquals(semaphore.tryAcquire(), undefined);

  const order: string[] = [];
  const third = semaphore.acquire().then((permit) => (order.push("third"), permit));
  const fourth = semaphore.acquire().then((permit) => (order.push("fourth"), permit));
  await delay(5);
  assertEquals(order, []);
  first[Symbol.dispose]();
  const permit = await third;
  await delay(5);
  assertEquals(order, ["third"]);
  second[Symbol.dispose]();
  permit[Symbol.dispose]();
  (await fourth)[Symbol.dispose]();
  assertEquals(order, ["third", "fourth"]);
});

Deno.test("Semaphore never holds more permits than it was made with", () => {
  const semaphore = new Semaphore();
  semaphore.release();
  assertExists(semaphore.tryAcquire());
  assertEquals(semaphore.tryAcquire(), undefined);
  for (const max of [0, -1, 1.5, NaN]) {
    assertThrows(() => new Semaphore(max), TypeError, String(max));
  }
});

Deno.test("parse reads a .env file", () => {
  const text = [
    "# a comment",
    "RABBITMQ_HOST=localhost",
    "export RABBITMQ_PORT = 5672 # the usual",
    "RABBITMQ_PASSWORD='p#w$d\\n'",
    'GREETING="a\\nb \\"c\\""',
    "EMPTY=",
    "",
  ].join("\r\n");
  assertEquals({ ...parse(text) }, {
    RABBITMQ_HOST: "localhost",
    RABBITMQ_PORT: "5672",
    RABBITMQ_PASSWORD: "p#w$d\\n",
    GREETING: 'a\nb "c"',
    EMPTY: "",
  });
});
