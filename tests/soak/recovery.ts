/** How long it took until messages flowed again. */

/** A sign that messages flow: a confirm or a delivery. */
export interface Sign {
  readonly at: number;
  /** Whose: a program and a queue. */
  readonly flow: string;
}

/**
 * The first sign of each flow that is not of before the fault.
 *
 * @param notBefore From when on a sign of this flow is one of recovery; `undefined` where that is not yet known.
 * @returns The time of the first sign by flow, for those that have one.
 */
export function firstSigns(
  signs: readonly Sign[],
  flows: readonly string[],
  notBefore: (flow: string) => number | undefined,
): Map<string, number> {
  const found = new Map<string, number>();
  for (const flow of flows) {
    const least = notBefore(flow);
    if (least === undefined) continue;
    const times = signs.filter((sign) => sign.flow === flow && sign.at >= least)
      .map(({ at }) => at);
    if (times.length > 0) found.set(flow, Math.min(...times));
  }
  return found;
}

/** The middle, the last hundredth and the largest of some numbers. */
export interface Spread {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** The spread of some numbers; all 0 where there are none. */
export function spread(numbers: readonly number[]): Spread {
  const sorted = [...numbers].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}
