/** What a change costs: lapinmq as it is, to lapinmq from another folder. */

import { BASELINE } from "./contestant.ts";
import { type Figure, find, ratioOf, ratioText, type Results, workloadsOf } from "./results.ts";

/** The ratios of one workload; those of rounds that failed are missing. */
export interface Comparison {
  readonly title: string;
  readonly cpuMicros: string;
  readonly rate: string;
  readonly peakMib: string;
}

/** A line for each workload that both builds took part in. */
export function comparisons(results: Results): Comparison[] {
  return workloadsOf(results).flatMap(({ name, title }) => {
    const ours = find(results, name, "lapinmq");
    const theirs = find(results, name, BASELINE);
    if (ours === undefined || theirs === undefined) return [];
    const ratio = (figure: Figure) => {
      const found = ratioOf(ours, theirs, figure);
      return found === undefined ? "-" : ratioText(found);
    };
    return [{
      title,
      cpuMicros: ratio("cpuMicros"),
      rate: ratio("rate"),
      peakMib: ratio("peakMib"),
    }];
  });
}
