/** What tasks in threads and processes cost, and what they gain. */

import { Connection, Consumer } from "../../mod.ts";
import { percentile } from "../statistics.ts";
import type { BenchQueue } from "./bench_queue.ts";
import { task } from "./task.ts";

/** Where the task runs. */
export type Place = "program" | "thread" | "process";

const encoder = new TextEncoder();
/** Computes nothing, and is rejected. */
const MARK = encoder.encode("1");

function consumerAt(place: Place, url: string, queueName: string, workers: number) {
  const connection = new Connection({ url, logger: null });
  const common = { connection, queueName, workers, prefetch: 250 };
  const taskModule = new URL("./task.ts", import.meta.url);
  return place === "program"
    ? new Consumer({ ...common, taskFunction: task })
    : new Consumer({ ...common, taskModule, isolation: place } as never);
}

async function running<T>(consumer: Consumer, use: () => Promise<T>): Promise<T> {
  await consumer.start();
  try {
    return await use();
  } finally {
    await consumer.stop();
    await consumer.connection.close();
  }
}

/** The microseconds that each of many messages of 1 KB takes, one after the other. */
export async function perMessageUs(
  place: Place,
  url: string,
  queue: BenchQueue,
  count: number,
): Promise<number> {
  const warmUp = Array<Uint8Array>(1_000).fill(new Uint8Array(1_024));
  const bodies = Array<Uint8Array>(count).fill(new Uint8Array(1_024));
  await queue.fill([...warmUp, MARK, ...bodies, MARK]);
  return await running(consumerAt(place, url, queue.queueName, 1), async () => {
    const [begin, end] = await queue.told(2);
    return (end - begin) * 1_000 / count;
  });
}

/** The milliseconds that so many messages take which compute. */
export async function computingMs(
  place: Place,
  url: string,
  queue: BenchQueue,
  work: { workers: number; messages: number; rounds: number },
): Promise<number> {
  const { workers, messages, rounds } = work;
  return await running(consumerAt(place, url, queue.queueName, workers), async () => {
    // Each worker has compiled the task by then.
    await queue.fill(Array(workers * 2).fill(encoder.encode(`${rounds}`)));
    await queue.told(workers * 2);
    const begin = performance.now();
    await queue.fill(Array(messages).fill(encoder.encode(`${rounds}`)));
    return (await queue.told(messages)).at(-1)! - begin;
  });
}

/** By how many milliseconds the event loop was late. */
export interface LoopDelay {
  readonly median: number;
  readonly p99: number;
  readonly max: number;
}

const TICK_MS = 10;

async function loopDelay(forMs: number): Promise<LoopDelay> {
  const delays: number[] = [];
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    delays.push(Math.max(0, now - last - TICK_MS));
    last = now;
  }, TICK_MS);
  await new Promise((resolve) => setTimeout(resolve, forMs));
  clearInterval(timer);
  delays.sort((a, b) => a - b);
  return {
    median: percentile(delays, 0.5),
    p99: percentile(delays, 0.99),
    max: delays[delays.length - 1],
  };
}

/** The delay of the event loop while all workers compute, or wait where `place` is the program. */
export async function loopDelayAt(
  place: Place,
  url: string,
  queue: BenchQueue,
  work: { workers: number; rounds: number; forMs: number },
): Promise<LoopDelay> {
  const { workers, rounds, forMs } = work;
  return await running(consumerAt(place, url, queue.queueName, workers), async () => {
    if (place === "program") return await loopDelay(forMs);
    // For longer than it is measured.
    await queue.fill(Array(workers).fill(encoder.encode(`${rounds}`)));
    await new Promise((resolve) => setTimeout(resolve, 200));
    const delay = await loopDelay(forMs);
    await queue.told(workers);
    return delay;
  });
}
