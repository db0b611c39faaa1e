import { assertEquals } from "@std/assert";
import { type ErrorDetail, TypedEventTarget } from "../src/events.ts";
import { eventually } from "./support/eventually.ts";
import { recordingLogger } from "./support/recording_logger.ts";

class Target extends TypedEventTarget<{ ping: number; error: ErrorDetail }> {
  ping(detail: number): void {
    this.emit("ping", detail);
  }
  problem(detail: number): void {
    this.emitProblem("ping", detail, `problem ${detail}`);
  }
  run(code: () => unknown): void {
    this.isolated("the callback", code);
  }
}

function targetForTest() {
  const { logger, lines } = recordingLogger();
  return { target: new Target(logger), lines };
}

Deno.test("TypedEventTarget tells its listeners, each once, in their order", () => {
  const { target } = targetForTest();
  const told: string[] = [];
  const first = ({ detail, type }: CustomEvent<number>) => told.push(`first ${type} ${detail}`);
  target.addEventListener("ping", first);
  target.addEventListener("ping", first);
  target.addEventListener("ping", ({ detail }) => told.push(`second ${detail}`));
  target.ping(1);
  target.removeEventListener("ping", first);
  target.ping(2);
  assertEquals(told, ["first ping 1", "second 1", "second 2"]);
});

Deno.test("TypedEventTarget honours once and signal", () => {
  const { target } = targetForTest();
  const told: string[] = [];
  const controller = new AbortController();
  target.addEventListener("ping", () => told.push("once"), { once: true });
  target.addEventListener("ping", () => told.push("until"), { signal: controller.signal });
  target.addEventListener("ping", () => told.push("never"), { signal: AbortSignal.abort() });
  target.ping(1);
  target.ping(2);
  controller.abort();
  target.ping(3);
  assertEquals(told, ["once", "until", "until"]);
});

Deno.test("TypedEventTarget keeps a listener that was added again, although an old signal aborts", () => {
  const { target } = targetForTest();
  let told = 0;
  const listener = () => told++;
  const controller = new AbortController();
  target.addEventListener("ping", listener, { signal: controller.signal });
  target.removeEventListener("ping", listener);
  target.addEventListener("ping", listener);
  controller.abort();
  target.ping(1);
  assertEquals(told, 1);
});

Deno.test("TypedEventTarget survives listeners that add and remove listeners", () => {
  const { target } = targetForTest();
  const told: string[] = [];
  const second = () => told.push("second");
  target.addEventListener("ping", () => {
    told.push("first");
    target.removeEventListener("ping", second);
    target.addEventListener("ping", () => told.push("later"), { once: true });
  }, { once: true });
  target.addEventListener("ping", second);
  target.ping(1);
  assertEquals(told, ["first"]);
  target.ping(2);
  assertEquals(told, ["first", "later"]);
});

Deno.test("TypedEventTarget isolates listeners that throw or reject (failure mode 47)", async () => {
  const { target, lines } = targetForTest();
  const errors: ErrorDetail[] = [];
  let told = 0;
  target.addEventListener("ping", () => {
    throw new Error("thrown");
  });
  target.addEventListener("ping", () => Promise.reject(new Error("rejected")));
  target.addEventListener("ping", () => told++);
  target.ping(1);
  assertEquals(told, 1);
  await eventually("both are logged", () => lines.length === 2);
  assertEquals(lines.map(({ message }) => message), [
    `the "ping" listener threw`,
    `the "ping" listener rejected`,
  ]);
  target.addEventListener("error", ({ detail }) => errors.push(detail));
  target.ping(2);
  await eventually("both are told", () => errors.length === 2);
  assertEquals(lines.length, 2);
});

Deno.test("TypedEventTarget does not go round in circles where an error listener throws", async () => {
  const { target, lines } = targetForTest();
  target.addEventListener("error", () => {
    throw new Error("from the error listener");
  });
  target.addEventListener("error", () => Promise.reject(new Error("from another")));
  target.run(() => {
    throw new Error("from the callback");
  });
  await eventually("both are logged", () => lines.length === 2);
  assertEquals(lines.map(({ level }) => level), ["error", "error"]);
});

Deno.test("TypedEventTarget isolates what is thrown, whatever it is", () => {
  const { target, lines } = targetForTest();
  for (const thrown of [undefined, null, 1, "text", Symbol("s")]) {
    target.run(() => {
      throw thrown;
    });
  }
  target.run(() => ({
    get then() {
      throw new Error("from the getter");
    },
  }));
  assertEquals(lines.length, 6);
});

Deno.test("TypedEventTarget logs a problem that no listener takes, and only then", () => {
  const { target, lines } = targetForTest();
  target.problem(1);
  target.addEventListener("ping", () => {});
  target.problem(2);
  assertEquals(lines.map(({ message }) => message), ["problem 1"]);
});
