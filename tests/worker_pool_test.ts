import { assert, assertEquals } from "@std/assert";
import { WorkerPool } from "../src/worker_pool.ts";

/** A pool whose units end when the test says so. */
function poolForTest(workers: number) {
  const begun: number[] = [];
  const gates = new Map<number, PromiseWithResolvers<void>>();
  const pool = new WorkerPool<number>(workers, async (unit) => {
    begun.push(unit);
    const gate = Promise.withResolvers<void>();
    gates.set(unit, gate);
    await gate.promise;
  });
  /** Ends a unit, and lets what follows from that happen. */
  const end = async (unit: number) => {
    gates.get(unit)!.resolve();
    for (let turn = 0; turn < 20; turn++) await null;
  };
  return { pool, begun, end };
}

Deno.test("WorkerPool begins as many units as it has workers, and then one for each that ends", async () => {
  const { pool, begun, end } = poolForTest(2);
  for (const unit of [1, 2, 3, 4]) pool.submit(unit);
  assertEquals([begun, pool.running], [[1, 2], 2]);
  await end(2);
  assertEquals([begun, pool.running], [[1, 2, 3], 2]);
  await end(1);
  await end(3);
  assertEquals([begun, pool.running], [[1, 2, 3, 4], 1]);
  await end(4);
  assertEquals(pool.running, 0);
});

Deno.test("WorkerPool has all its workers again after they have ended", async () => {
  const { pool, begun, end } = poolForTest(3);
  for (const units of [[1, 2, 3], [4, 5, 6, 7], [8]]) {
    const before = begun.length;
    for (const unit of units) pool.submit(unit);
    assertEquals(begun.slice(before), units.slice(0, 3));
    for (const unit of units) await end(unit);
    assertEquals(pool.running, 0);
  }
});

Deno.test("WorkerPool is done at once with units that take no time", async () => {
  const done: number[] = [];
  const pool: WorkerPool<number> = new WorkerPool(1, (unit) => void done.push(unit));
  for (const unit of [1, 2, 3]) pool.submit(unit);
  assertEquals([done, pool.running], [[1, 2, 3], 0]);
  await pool.idle();
});

Deno.test("WorkerPool.withdraw takes back what has not begun", async () => {
  const { pool, begun, end } = poolForTest(1);
  for (const unit of [1, 2, 3]) pool.submit(unit);
  assertEquals([pool.withdraw(), pool.withdraw()], [[2, 3], []]);
  await end(1);
  assertEquals(begun, [1]);
});

Deno.test("WorkerPool.idle resolves when nothing runs or waits, every time again", async () => {
  const { pool, end } = poolForTest(1);
  await pool.idle();
  for (const unit of [1, 2]) {
    pool.submit(unit);
    let idle = false;
    const waiting = pool.idle().then(() => idle = true);
    pool.submit(unit + 10);
    await end(unit);
    assertEquals(idle, false);
    await end(unit + 10);
    await waiting;
  }
});

Deno.test("WorkerPool works on units that are submitted while others end", async () => {
  let done = 0;
  let most = 0;
  const pool: WorkerPool<number> = new WorkerPool(3, async (unit) => {
    most = Math.max(most, pool.running);
    await null;
    done++;
    if (unit > 0) { for (let count = 0; count < 3; count++) pool.submit(unit - 1); }
  });
  pool.submit(6);
  await pool.idle();
  assertEquals(done, (3 ** 7 - 1) / 2);
  assert(most <= 3, `${most} at a time`);
});
