import { assert, assertEquals } from "@std/assert";
import { Crew } from "../../src/isolation/crew.ts";
import type { TaskWorker } from "../../src/isolation/task_worker.ts";
import { eventually } from "../support/eventually.ts";

/** A crew of one, of which all but the first end as they begin. */
async function unluckyCrew(): Promise<
  { hiredAt: number[]; first: PromiseWithResolvers<Error> } & AsyncDisposable
> {
  const hiredAt: number[] = [];
  const first = Promise.withResolvers<Error>();
  const over = Promise.resolve(new Error("over"));
  const crew = new Crew({
    size: 1,
    hire(): TaskWorker {
      const ended = hiredAt.push(performance.now()) === 1 ? first.promise : over;
      return {
        ready: Promise.resolve(),
        ended,
        run: () => Promise.resolve({ kind: "ack" }),
        abort() {},
        end: () => Promise.resolve(true),
      };
    },
    ended() {},
  });
  await crew.start(1_000);
  return { hiredAt, first, [Symbol.asyncDispose]: () => crew.end() };
}

Deno.test("Crew waits before it replaces one that has ended, and longer each time", async () => {
  await using crew = await unluckyCrew();
  const endedAt = performance.now();
  crew.first.resolve(new Error("over"));
  await eventually("four have taken its place", () => crew.hiredAt.length >= 5);
  const waits = crew.hiredAt.slice(1).map((at, nth) =>
    at - (nth === 0 ? endedAt : crew.hiredAt[nth])
  );
  // Half of 100, 200, 400 and 800 ms at least; a timer may be a millisecond early.
  [50, 100, 200, 400].forEach((ms, nth) => assert(waits[nth] >= ms - 2, `${waits}`));
});

Deno.test("Crew replaces nobody any more once it has ended", async () => {
  const crew = await unluckyCrew();
  crew.first.resolve(new Error("over"));
  await crew[Symbol.asyncDispose]();
  await new Promise((resolve) => setTimeout(resolve, 200));
  assertEquals(crew.hiredAt.length, 1);
});
