import { assertEquals } from "@std/assert";
import { readFromTask } from "../../src/isolation/from_task.ts";
import { plainError } from "../../src/isolation/wire.ts";

const ERROR = { name: "Error", message: "why", stack: "where", cause: { name: "A", message: "b" } };

const TOLD: unknown[] = [
  { kind: "ready" },
  { kind: "unusable", error: ERROR },
  { kind: "ending", error: ERROR },
  { kind: "done", outcome: { kind: "ack" } },
  { kind: "done", outcome: { kind: "retry", failure: ERROR } },
];

const DROPPED: unknown[] = [
  undefined,
  null,
  1,
  "ready",
  {},
  { kind: "other" },
  { kind: "ending" },
  { kind: "unusable", error: { name: "Error" } },
  { kind: "ending", error: { ...ERROR, cause: 1 } },
  { kind: "ending", error: { ...ERROR, stack: 1 } },
  { kind: "done" },
  { kind: "done", outcome: { kind: "callback" } },
  { kind: "done", outcome: { kind: "retry", failure: "no" } },
];

for (const value of TOLD) {
  Deno.test(`readFromTask takes ${JSON.stringify(value)}`, () => {
    assertEquals(readFromTask(value) as unknown, value);
  });
}

for (const value of DROPPED) {
  Deno.test(`readFromTask drops ${JSON.stringify(value)}`, () => {
    assertEquals(readFromTask(value), undefined);
  });
}

Deno.test("readFromTask drops an error that is its own cause", () => {
  const error: Record<string, unknown> = { name: "Error", message: "why" };
  error.cause = error;
  assertEquals(readFromTask({ kind: "ending", error }), undefined);
});

Deno.test("readFromTask takes whatever plainError makes", () => {
  let error = new Error("first");
  for (let nth = 0; nth < 20; nth++) error = new Error("next", { cause: error });
  const told = { kind: "ending", error: plainError(error) };
  assertEquals(readFromTask(told) as unknown, told);
});
