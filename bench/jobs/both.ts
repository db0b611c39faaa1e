import { Arrivals } from "../arrivals.ts";
import type { Contestant } from "../contestant.ts";
import { type Cost, startMeter } from "../meter.ts";
import type { Job } from "../workload.ts";
import { takenOver } from "./taken_over.ts";

/** Publishes and consumes at once, in one program and on one queue. */
export async function both(contestant: Contestant, job: Job): Promise<Cost> {
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
  const stop = startMeter();
  await round(job.messages);
  const cost = stop();
  await sender.close();
  await takenOver(job);
  await receiver.close();
  arrivals.end(job.warmUp + job.messages);
  return cost;
}
