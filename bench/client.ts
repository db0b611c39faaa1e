/** The program of one measurement: does its job, and prints what it has found as a line of JSON. */

import { type Contestant, loadContestant } from "./contestant.ts";
import { both } from "./jobs/both.ts";
import { consume } from "./jobs/consume.ts";
import { latency } from "./jobs/latency.ts";
import { memory } from "./jobs/memory.ts";
import { pipeline } from "./jobs/pipeline.ts";
import { publish } from "./jobs/publish.ts";
import { scale } from "./jobs/scale.ts";
import { peakBytes } from "./meter.ts";
import { type Job, type Kind, type Measurement, readJob } from "./workload.ts";

type Found = Omit<Measurement, "messages" | "peakBytes">;

const JOBS: Readonly<Record<Kind, (contestant: Contestant, job: Job) => Promise<Found>>> = {
  publish,
  consume,
  both,
  pipeline,
  latency,
  memory,
  scale,
};

if (import.meta.main) {
  const job = readJob();
  const contestant = await loadContestant(job.contestant);
  const found = await JOBS[job.workload.kind](contestant, job);
  const measurement: Measurement = { messages: job.messages, ...found, peakBytes: peakBytes() };
  console.log(JSON.stringify(measurement));
  // Whatever a client leaves open is not what is measured here.
  Deno.exit(0);
}
