/** What a run has found, as it is written to `results.json`. */

import { type Spread, spread } from "./statistics.ts";
import type { Measurement, Workload } from "./workload.ts";

/** All rounds of one contestant with one workload. */
export interface Result {
  readonly workload: Workload;
  readonly contestant: string;
  /** By round; null where it failed, as JSON knows nothing else. */
  readonly rounds: (Measurement | null)[];
  readonly failures: string[];
}

/** A whole run. */
export interface Results {
  readonly at: string;
  /** Where it was run: version of the broker and of Deno, system, processors. */
  readonly broker: string;
  readonly deno: string;
  readonly system: string;
  readonly isQuick: boolean;
  readonly results: readonly Result[];
}

/** A figure of one measurement. */
export type Figure = "rate" | "cpuMicros" | "peakMib" | "p50" | "p99";

const FIGURES: Readonly<Record<Figure, (measurement: Measurement) => number | undefined>> = {
  rate: ({ messages, seconds }) => messages / seconds,
  cpuMicros: ({ messages, cpuSeconds }) => cpuSeconds * 1e6 / messages,
  peakMib: ({ peakBytes }) => peakBytes / 2 ** 20,
  p50: ({ latencyMs }) => latencyMs?.p50,
  p99: ({ latencyMs }) => latencyMs?.p99,
};

/** A figure by round; undefined where the round failed. */
export function byRound({ rounds }: Result, figure: Figure): (number | undefined)[] {
  return rounds.map((measurement) => measurement ? FIGURES[figure](measurement) : undefined);
}

/** A figure over all rounds; undefined where no round has it. */
export function figureOf(result: Result | undefined, figure: Figure): Spread | undefined {
  if (result === undefined) return undefined;
  const numbers = byRound(result, figure).filter((number) => number !== undefined);
  return numbers.length === 0 ? undefined : spread(numbers);
}

/** The ratio of the medians, with the least and the greatest of any one round. */
export function ratioOf(ours: Result, theirs: Result, figure: Figure): Spread | undefined {
  const pairs = byRound(theirs, figure).map((their, round) => {
    const our = byRound(ours, figure)[round];
    return our === undefined || their === undefined ? undefined : our / their;
  }).filter((ratio) => ratio !== undefined);
  const our = figureOf(ours, figure);
  const their = figureOf(theirs, figure);
  if (our === undefined || their === undefined || pairs.length === 0) return undefined;
  return { median: our.median / their.median, min: Math.min(...pairs), max: Math.max(...pairs) };
}

/** A ratio as it is shown. */
export function ratioText({ median, min, max }: Spread): string {
  return `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`;
}

/** The result of one contestant with one workload. */
export function find(
  { results }: Results,
  workload: string,
  contestant: string,
): Result | undefined {
  return results.find((result) =>
    result.workload.name === workload && result.contestant === contestant
  );
}

/** The workloads of a run, each once. */
export function workloadsOf({ results }: Results): Workload[] {
  return [...new Map(results.map(({ workload }) => [workload.name, workload])).values()];
}

/** The contestants of a run, each once. */
export function contestantsOf({ results }: Results): string[] {
  return [...new Set(results.map(({ contestant }) => contestant))];
}
