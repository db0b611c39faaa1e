/** What makes a fuzz repeatable. A failure names both; set them to see that one again. */

import { randomFrom } from "./random.ts";
import type { Random } from "./random.ts";

export const FUZZ_SEED = Number(Deno.env.get("FUZZ_SEED") ?? Date.now() % 1_000_000);

const onlyCase = Deno.env.get("FUZZ_CASE");

/** The numbers of the cases to run: all of them, or the one that `FUZZ_CASE` names. */
export function casesToRun(count: number): number[] {
  return onlyCase === undefined
    ? Array.from({ length: count }, (_, index) => index)
    : [Number(onlyCase)];
}

/** Names a case, for the message of a failure. */
export function caseName(index: number): string {
  return `FUZZ_SEED=${FUZZ_SEED} FUZZ_CASE=${index}`;
}

/** The random choices of one case, which depend on no other case. */
export function randomOfCase(index: number): Random {
  return randomFrom(Math.imul(FUZZ_SEED + 1, 0x9E3779B1) ^ Math.imul(index + 1, 0x85EBCA6B));
}
