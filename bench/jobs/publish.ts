import type { Contestant } from "../contestant.ts";
import { type Cost, startMeter } from "../meter.ts";
import type { Job } from "../workload.ts";

/** Publishes, and waits for every confirm. */
export async function publish(contestant: Contestant, job: Job): Promise<Cost> {
  const { url, queue, workload: { bodyBytes, window } } = job;
  const body = new Uint8Array(bodyBytes);
  const sender = await contestant.sender({ url, queue, body, window });
  await sender.publish(job.warmUp);
  const stop = startMeter();
  await sender.publish(job.messages);
  const cost = stop();
  await sender.close();
  return cost;
}
