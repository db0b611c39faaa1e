import { measure, type Setting } from "./measure.ts";
import type { Result } from "./results.ts";
import { shuffled } from "./statistics.ts";
import type { Amount, Workload } from "./workload.ts";
import { takesPart } from "./workloads.ts";

/** What to measure, and how often. */
export interface Plan {
  readonly workloads: readonly { readonly workload: Workload; readonly amount: Amount }[];
  readonly contestants: readonly string[];
  readonly rounds: number;
  readonly log: (line: string) => void;
}

/**
 * Measures every workload in rounds. In each round every contestant has its turn, in an order of its
 * own, so that what disturbs the machine for a while disturbs them all.
 */
export async function play(setting: Setting, plan: Plan): Promise<Result[]> {
  const results: Result[] = [];
  for (const { workload, amount } of plan.workloads) {
    const chosen = plan.contestants.filter((name) => takesPart(workload, name));
    const all = chosen.map((contestant): Result => (
      { workload, contestant, rounds: [], failures: [] }
    ));
    results.push(...all);
    const rounds = Math.min(plan.rounds, workload.maxRounds ?? plan.rounds);
    for (let round = 1; round <= rounds; round++) {
      plan.log(`${workload.title}: round ${round} of ${rounds}`);
      for (const result of shuffled(all, Math.random)) {
        try {
          result.rounds.push(await measure(setting, workload, result.contestant, amount));
        } catch (error) {
          setting.signal.throwIfAborted();
          const { message } = error as Error;
          result.rounds.push(null);
          result.failures.push(message);
          plan.log(`  ${result.contestant} failed: ${message}`);
        }
      }
    }
  }
  return results;
}
