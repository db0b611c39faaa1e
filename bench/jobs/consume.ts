import { Arrivals } from "../arrivals.ts";
import type { Contestant } from "../contestant.ts";
import { type Cost, startMeter } from "../meter.ts";
import type { Job } from "../workload.ts";
import { takenOver } from "./taken_over.ts";

/** Consumes what the queue was filled with. */
export async function consume(contestant: Contestant, job: Job): Promise<Cost> {
  const { url, queue, workload: { bodyBytes, prefetch, consumers } } = job;
  const arrivals = new Arrivals(bodyBytes);
  let stop: (() => Cost) | undefined;
  let cost: Cost | undefined;
  const receiver = await contestant.receiver({
    url,
    queue,
    prefetch,
    consumers,
    received(bytes) {
      arrivals.one(bytes);
      // In the very call, as the rest of a batch would else be counted to the wrong side.
      if (arrivals.count === job.warmUp) stop = startMeter();
      else if (arrivals.count === job.warmUp + job.messages) cost = stop!();
    },
  });
  await arrivals.reached(job.warmUp + job.messages);
  await takenOver(job);
  await receiver.close();
  arrivals.end(job.warmUp + job.messages);
  return cost!;
}
