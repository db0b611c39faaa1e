import { Arrivals } from "../arrivals.ts";
import type { Contestant } from "../contestant.ts";
import { heapBytes, startMeter } from "../meter.ts";
import type { Job, Measurement } from "../workload.ts";
import { takenOver } from "./taken_over.ts";

/** How many times the memory is looked at. */
const SAMPLES = 20;

type Memory = Pick<Measurement, "seconds" | "cpuSeconds" | "memory" | "heap">;

/** Publishes and consumes many messages at once, and looks at the memory again and again. */
export async function memory(contestant: Contestant, job: Job): Promise<Memory> {
  const { url, queue, workload: { bodyBytes, window, prefetch, consumers } } = job;
  const arrivals = new Arrivals(bodyBytes);
  const received = arrivals.one;
  const receiver = await contestant.receiver({ url, queue, prefetch, consumers, received });
  const body = new Uint8Array(bodyBytes);
  const sender = await contestant.sender({ url, queue, body, window });
  const round = async (messages: number) => {
    const expected = arrivals.count + messages;
    await Promise.all([sender.publish(messages), arrivals.reached(expected)]);
  };
  await round(job.warmUp);
  const warmBytes = heapBytes();
  const samples = [];
  const stop = startMeter();
  for (let sample = 1; sample <= SAMPLES; sample++) {
    await round(Math.round(job.messages * sample / SAMPLES) + job.warmUp - arrivals.count);
    samples.push({ messages: arrivals.count, rssBytes: Deno.memoryUsage().rss });
  }
  const cost = stop();
  const endBytes = heapBytes();
  await sender.close();
  await takenOver(job);
  await receiver.close();
  arrivals.end(job.warmUp + job.messages);
  return { ...cost, memory: samples, heap: { warmBytes, endBytes } };
}
