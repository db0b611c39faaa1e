import type { Result, Results } from "../../bench/results.ts";
import type { Measurement } from "../../bench/workload.ts";
import { chooseWorkloads } from "../../bench/workloads.ts";

/** A measurement of a thousand messages at this rate, with this CPU time for each. */
export function measured(rate: number, cpuMicros: number): Measurement {
  return {
    messages: 1_000,
    seconds: 1_000 / rate,
    cpuSeconds: cpuMicros / 1_000,
    peakBytes: 100 * 2 ** 20,
  };
}

/** The result of a contestant in a workload. */
export function resultOf(
  workload: string,
  contestant: string,
  rounds: Result["rounds"],
  failures: string[] = [],
): Result {
  return { workload: chooseWorkloads([workload], true)[0], contestant, rounds, failures };
}

/** A run with these results. */
export function runOf(...results: Result[]): Results {
  return {
    at: "2026-01-31T12:00:00.000Z",
    broker: "RabbitMQ 4.3.0",
    deno: "2.9.0",
    system: "linux x86_64, 2 processors",
    isQuick: true,
    results,
  };
}
