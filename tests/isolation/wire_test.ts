import { assertEquals } from "@std/assert";
import { readFromTask } from "../../src/isolation/from_task.ts";
import { plainError } from "../../src/isolation/wire.ts";

/** An error with something else in place of one of its texts. */
function errorWith(name: string, property: PropertyDescriptor): Error {
  return Object.defineProperty(new Error("m"), name, property);
}

function refuses(): never {
  throw new Error("no");
}

const ODD: Record<string, unknown> = {
  "a name that is a number": errorWith("name", { value: 5 }),
  "a name that is a symbol": errorWith("name", { value: Symbol("a") }),
  "a message that is a function": errorWith("message", { value: () => 1 }),
  "a message that throws": errorWith("message", { get: refuses }),
  "a stack that is a list": errorWith("stack", { value: ["a"] }),
  "no stack": errorWith("stack", { value: null }),
  "a cause without a class": new Error("m", { cause: Object.create(null) }),
  "itself as its cause": errorWith("cause", { get: () => ODD["itself as its cause"] }),
  "an object without a class": Object.create(null),
  "an object that cannot be shown": { toString: refuses },
  "a proxy that refuses all": new Proxy(new Error("m"), { get: refuses }),
  "nothing": undefined,
};

for (const [what, thrown] of Object.entries(ODD)) {
  Deno.test(`plainError makes what can cross of ${what}`, () => {
    const told = { kind: "ending", error: plainError(thrown) };
    assertEquals(readFromTask(structuredClone(told)) as unknown, told);
  });
}
