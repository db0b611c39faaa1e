import { Arrivals } from "../arrivals.ts";
import type { Contestant } from "../contestant.ts";
import { type Cost, startMeter } from "../meter.ts";
import type { Job } from "../workload.ts";
import { takenOver } from "./taken_over.ts";

/** Passes messages on from one queue to another, and acknowledges each once its successor is confirmed. */
export async function pipeline(contestant: Contestant, job: Job): Promise<Cost> {
  const { url, queue, to, workload: { bodyBytes, prefetch } } = job;
  const arrivals = new Arrivals(bodyBytes);
  let stop: (() => Cost) | undefined;
  let cost: Cost | undefined;
  const running = await contestant.pipeline({
    url,
    queue,
    to,
    prefetch,
    body: new Uint8Array(bodyBytes),
    passed() {
      arrivals.one(bodyBytes);
      if (arrivals.count === job.warmUp) stop = startMeter();
      else if (arrivals.count === job.warmUp + job.messages) cost = stop!();
    },
  });
  await arrivals.reached(job.warmUp + job.messages);
  await takenOver(job);
  await running.close();
  arrivals.end(job.warmUp + job.messages);
  return cost!;
}
