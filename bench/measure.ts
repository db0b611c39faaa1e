/** One measurement: a fresh queue, a fresh program, and a look at what it has left behind. */

import { pathToFileURL } from "node:url";
import { launch, ROOT } from "../tools/launch.ts";
import { BASELINE } from "./contestant.ts";
import type { Queues } from "./queues.ts";
import { startTlsFront, type TlsFront } from "./tls_front.ts";
import {
  type Amount,
  environmentOf,
  type Job,
  type Measurement,
  type Workload,
} from "./workload.ts";

/** What is the same for all measurements of a run. */
export interface Setting {
  readonly url: string;
  readonly queues: Queues;
  readonly environment: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** The folder of the build that lapinmq is set against. */
  readonly against?: string;
  /** Where each program leaves a CPU profile. */
  readonly profiles?: string;
}

const TIMEOUT_MS = 60_000;
/** How much longer a program may take, by message. */
const TIMEOUT_MS_PER_MESSAGE = 2;

/** Measures one contestant once. */
export async function measure(
  setting: Setting,
  workload: Workload,
  contestant: string,
  amount: Amount,
): Promise<Measurement> {
  const { queues } = setting;
  await using front = workload.overTls ? await startTlsFront(setting.url) : undefined;
  const url = front?.url ?? setting.url;
  const { kind, half, queueType, bodyBytes } = workload;
  const queue = `lapinmq.bench.${workload.name}`;
  const to = `${queue}.to`;
  const all = amount.warmUp + amount.messages;
  const isFilled = kind === "consume" || kind === "pipeline" || half === "consume";
  const isLeft = kind === "publish" || half === "publish";
  await queues.declare(queue, queueType);
  if (kind === "pipeline") await queues.declare(to, queueType);
  try {
    if (isFilled) await queues.fill(queue, all, bodyBytes);
    const found = await run(setting, { ...amount, workload, contestant, url, queue, to }, front);
    await queues.holds(queue, isLeft ? all : 0);
    if (kind === "pipeline") await queues.holds(to, all);
    return found;
  } finally {
    await queues.delete(queue);
    if (kind === "pipeline") await queues.delete(to);
  }
}

function flagsFor({ workload, contestant }: Job, profiles: string | undefined): string[] {
  const flags = ["run", "--no-prompt", "--quiet", "--allow-all"];
  const looksAtHeap = workload.kind === "memory" || workload.kind === "scale";
  if (looksAtHeap) flags.push("--v8-flags=--expose-gc");
  if (profiles === undefined) return flags;
  const name = `${workload.name}.${contestant.replaceAll(/[^a-z]+/g, "-")}.cpuprofile`;
  return [...flags, "--cpu-prof", `--cpu-prof-dir=${profiles}`, `--cpu-prof-name=${name}`];
}

async function run(setting: Setting, job: Job, front?: TlsFront): Promise<Measurement> {
  const { environment, signal, against, profiles } = setting;
  signal.throwIfAborted();
  const library: Record<string, string> = job.contestant === BASELINE
    ? { BENCH_LIBRARY: new URL(`${against}/mod.ts`, pathToFileURL(ROOT)).href }
    : {};
  if (front !== undefined) library.BENCH_AUTHORITY = front.authority;
  const child = launch([...flagsFor(job, profiles), "bench/client.ts"], {
    environment: { ...environment, ...environmentOf(job), ...library, NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  });
  let isLate = false;
  const kill = () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
  };
  const timer = setTimeout(() => {
    isLate = true;
    kill();
  }, TIMEOUT_MS + TIMEOUT_MS_PER_MESSAGE * (job.messages + job.warmUp));
  signal.addEventListener("abort", kill);
  try {
    const { success, stdout, stderr } = await child.output();
    signal.throwIfAborted();
    if (isLate) throw new Error("It did not come to an end");
    if (!success) throw new Error(new TextDecoder().decode(stderr).trim() || "It failed");
    const line = new TextDecoder().decode(stdout).trim().split("\n").pop()!;
    return JSON.parse(line);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", kill);
  }
}
