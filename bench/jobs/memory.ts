import { Arrivals } from "../arrivals.ts";
import type { Contestant } from "../contestant.ts";
import { heapBytes, startMeter } from "../meter.ts";
import type { Job, Measurement } from "../workload.ts";
import { takenOver } from "./taken_over.ts";

/** How many times the memory is looked at. */
const SAMPLES = 20;

type Memory = Pick<Measurement, "seconds" | "cpuSeconds" | "memory" | "heap">;

/** Publishes many messages, consumes them, or both at once, and looks at the memory again and again. */
export async function memory(contestant: Contestant, job: Job): Promise<Memory> {
  const { url, queue, workload: { bodyBytes, window, prefetch, consumers, half } } = job;
  const arrivals = new Arrivals(bodyBytes);
  const received = arrivals.one;
  const receiver = half === "publish"
    ? undefined
    : await contestant.receiver({ url, queue, prefetch, consumers, received });
  const body = new Uint8Array(bodyBytes);
  const sender = half === "consume"
    ? undefined
    : await contestant.sender({ url, queue, body, window });
  let done = 0;
  const goTo = async (messages: number) => {
    await Promise.all([
      sender?.publish(messages - done),
      receiver && arrivals.reached(messages),
    ]);
    done = messages;
  };
  await goTo(job.warmUp);
  const warmBytes = heapBytes();
  const samples = [];
  const stop = startMeter();
  for (let sample = 1; sample <= SAMPLES; sample++) {
    await goTo(job.warmUp + Math.round(job.messages * sample / SAMPLES));
    samples.push({ messages: done, rssBytes: Deno.memoryUsage().rss });
  }
  const cost = stop();
  const endBytes = heapBytes();
  await sender?.close();
  if (receiver !== undefined) {
    await takenOver(job);
    await receiver.close();
    arrivals.end(job.warmUp + job.messages);
  }
  return { ...cost, memory: samples, heap: { warmBytes, endBytes } };
}
