import { assertEquals, assertStrictEquals } from "@std/assert";
import { withEmptyBytes, withoutEmptyBytes } from "../../src/isolation/empty_bytes.ts";
import { wireMessage } from "../support/task_processes.ts";

/** Whether there is an empty byte array in it, at any depth. */
function holdsEmptyBytes(value: unknown): boolean {
  if (value instanceof Uint8Array) return value.length === 0;
  return typeof value === "object" && value !== null && Object.values(value).some(holdsEmptyBytes);
}

Deno.test("withoutEmptyBytes leaves no empty byte array in a message, and withEmptyBytes brings each back", () => {
  const headers = {
    ["__proto__"]: new Uint8Array(),
    when: new Date(0),
    bytes: new Uint8Array([1]),
    list: [1, null, [new Uint8Array()], { deep: new Uint8Array() }],
    big: 2n ** 60n,
  };
  const message = wireMessage({ headers: { kind: "value", value: headers } });
  const without = withoutEmptyBytes(message);
  assertEquals([holdsEmptyBytes(message), holdsEmptyBytes(without)], [true, false]);
  assertEquals(withEmptyBytes(structuredClone(without)), message);
});

Deno.test("withoutEmptyBytes copies nothing where there is none", () => {
  const message = wireMessage({ body: new Uint8Array([1]) });
  assertStrictEquals(withoutEmptyBytes(message), message);
  assertStrictEquals(withEmptyBytes(message), message);
});
