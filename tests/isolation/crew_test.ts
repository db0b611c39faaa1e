import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { deadline } from "@std/async/deadline";
import { delay } from "@std/async/delay";
import { LapinmqError } from "../../src/errors.ts";
import { Crew } from "../../src/isolation/crew.ts";
import type { TaskWorker } from "../../src/isolation/task_worker.ts";
import { eventually } from "../support/eventually.ts";

/** One whose parts a test decides. */
function fakeWorker(parts: Partial<TaskWorker> = {}): TaskWorker {
  return {
    ready: Promise.resolve(),
    ended: new Promise(() => {}),
    run: () => Promise.resolve({ kind: "ack" }),
    abort() {},
    end: () => Promise.resolve(true),
    ...parts,
  };
}

/** A crew of one, of which the first has ended, and those that are hired one after the other. */
async function crewOf(
  next: () => TaskWorker,
): Promise<{ hiredAt: number[]; told: string[] } & AsyncDisposable> {
  const hiredAt: number[] = [];
  const told: string[] = [];
  const first = Promise.withResolvers<Error>();
  const crew = new Crew({
    size: 1,
    hire: () =>
      hiredAt.push(performance.now()) === 1 ? fakeWorker({ ended: first.promise }) : next(),
    ended: (why) => void told.push(why.message),
  });
  await crew.start(100);
  first.resolve(new Error("over"));
  return { hiredAt, told, [Symbol.asyncDispose]: () => crew.end() };
}

Deno.test("Crew waits before it replaces one that has ended, and longer each time", async () => {
  const over = Promise.resolve(new Error("over"));
  await using crew = await crewOf(() => fakeWorker({ ended: over }));
  await eventually("four have taken its place", () => crew.hiredAt.length >= 5);
  const waits = crew.hiredAt.slice(1).map((at, nth) => at - crew.hiredAt[nth]);
  // Half of 100, 200, 400 and 800 ms at least; a timer may be a millisecond early.
  [50, 100, 200, 400].forEach((ms, nth) => assert(waits[nth] >= ms - 2, `${waits}`));
});

Deno.test("Crew replaces nobody any more once it has ended", async () => {
  const crew = await crewOf(() => fakeWorker());
  await crew[Symbol.asyncDispose]();
  await delay(200);
  assertEquals(crew.hiredAt.length, 1);
});

Deno.test("Crew gives up one that takes too long to load as it takes a place, and tries again", async () => {
  const never = new Promise<void>(() => {});
  await using crew = await crewOf(() =>
    fakeWorker(crew.hiredAt.length === 2 ? { ready: never } : {})
  );
  await eventually("another has been tried", () => crew.hiredAt.length === 3);
  assertEquals(crew.told.length, 2);
  assertStringIncludes(crew.told[1], "it is not loaded after 100 ms");
});

Deno.test("Crew has no other join one that computes on as it loads, and cannot be stopped", async () => {
  const never = new Promise<void>(() => {});
  const ended = Promise.withResolvers<Error>();
  const end = () => Promise.resolve(false);
  await using crew = await crewOf(() =>
    fakeWorker(crew.hiredAt.length === 2 ? { ready: never, ended: ended.promise, end } : {})
  );
  await eventually("it is given up", () => crew.told.length === 2);
  await delay(300);
  assertEquals(crew.hiredAt.length, 2);
  ended.resolve(new Error("over"));
  await eventually("another has been tried", () => crew.hiredAt.length === 3);
});

Deno.test("Crew does not wait for those that still load when it is ended, as some cannot be stopped", async () => {
  const never = new Promise<void>(() => {});
  const crew = new Crew({
    size: 1,
    hire: () => fakeWorker({ ready: never, end: () => Promise.resolve(false) }),
    ended() {},
  });
  const started = assertRejects(() => crew.start(60_000), LapinmqError, "it was stopped before");
  await crew.end();
  await deadline(started, 10_000);
});
