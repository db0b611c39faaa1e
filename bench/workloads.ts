import { BASELINE } from "./contestant.ts";
import type { Amount, Workload } from "./workload.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** What most workloads have in common: a classic queue and small bodies. */
const USUAL = {
  queueType: "classic",
  bodyBytes: 100,
  window: 1_000,
  prefetch: 250,
  consumers: 1,
} as const;

/** So many are measured, after so many that let the runtime find out what is hot and compile it. */
function amount(messages: number, warmUp: number): Amount {
  return { messages, warmUp };
}

/** The consumers of one program, to whose number the cost of a message must not grow. */
const CROWDS = [1, 10, 100, 1_000];

/** Of one client: what encryption costs is the runtime's, and not what clients differ in. */
const OVER_TLS = { ...USUAL, overTls: true, contestants: ["lapinmq"] } as const;

/** A million messages, with a look at the memory now and then. */
const MILLION = {
  ...USUAL,
  kind: "memory",
  full: amount(1_000_000, 200_000),
  contestants: ["lapinmq", "amqplib"],
  maxRounds: 1,
} as const;

const LARGE = { bodyBytes: 100 * KIB, window: 100, prefetch: 50 };
const HUGE = { bodyBytes: 4 * MIB, window: 4, prefetch: 4 };

/** All workloads, in the order in which they are measured and shown. */
export const WORKLOADS: readonly Workload[] = [
  {
    ...USUAL,
    name: "publish-one",
    title: "publish, one at a time, 100 B",
    kind: "publish",
    window: 1,
    full: amount(5_000, 1_000),
    quick: amount(1_000, 200),
  },
  {
    ...USUAL,
    name: "publish",
    title: "publish, window 1000, 100 B",
    kind: "publish",
    full: amount(50_000, 40_000),
    quick: amount(15_000, 5_000),
  },
  {
    ...USUAL,
    name: "publish-1k",
    title: "publish, window 1000, 1 KB",
    kind: "publish",
    bodyBytes: KIB,
    full: amount(30_000, 30_000),
  },
  {
    ...USUAL,
    ...LARGE,
    name: "publish-100k",
    title: "publish, window 100, 100 KB",
    kind: "publish",
    full: amount(3_000, 1_500),
    quick: amount(400, 100),
  },
  {
    ...USUAL,
    ...HUGE,
    name: "publish-4m",
    title: "publish, window 4, 4 MB",
    kind: "publish",
    full: amount(100, 40),
    quick: amount(16, 4),
  },
  {
    ...USUAL,
    name: "publish-quorum",
    title: "publish, window 1000, 100 B, quorum",
    kind: "publish",
    queueType: "quorum",
    full: amount(30_000, 30_000),
  },
  {
    ...USUAL,
    name: "consume-1",
    title: "consume, prefetch 1, 100 B",
    kind: "consume",
    prefetch: 1,
    full: amount(5_000, 1_000),
  },
  {
    ...USUAL,
    name: "consume-10",
    title: "consume, prefetch 10, 100 B",
    kind: "consume",
    prefetch: 10,
    full: amount(20_000, 20_000),
  },
  {
    ...USUAL,
    name: "consume",
    title: "consume, prefetch 250, 100 B",
    kind: "consume",
    full: amount(50_000, 40_000),
    quick: amount(15_000, 5_000),
  },
  {
    ...USUAL,
    name: "consume-1k",
    title: "consume, prefetch 250, 1 KB",
    kind: "consume",
    bodyBytes: KIB,
    full: amount(30_000, 30_000),
  },
  {
    ...USUAL,
    ...LARGE,
    name: "consume-100k",
    title: "consume, prefetch 50, 100 KB",
    kind: "consume",
    full: amount(3_000, 1_500),
    quick: amount(400, 100),
  },
  {
    ...USUAL,
    ...HUGE,
    name: "consume-4m",
    title: "consume, prefetch 4, 4 MB",
    kind: "consume",
    full: amount(100, 40),
    quick: amount(16, 4),
  },
  {
    ...USUAL,
    name: "consume-quorum",
    title: "consume, prefetch 250, 100 B, quorum",
    kind: "consume",
    queueType: "quorum",
    full: amount(30_000, 30_000),
  },
  {
    ...USUAL,
    name: "both",
    title: "publish and consume at once, 100 B",
    kind: "both",
    full: amount(40_000, 30_000),
    quick: amount(12_000, 4_000),
  },
  {
    ...USUAL,
    name: "pipeline",
    title: "consume, publish, ack, 100 B",
    kind: "pipeline",
    full: amount(40_000, 40_000),
    quick: amount(10_000, 3_000),
  },
  {
    ...USUAL,
    name: "latency",
    title: "latency at 1000 a second, 100 B",
    kind: "latency",
    rate: 1_000,
    full: amount(4_000, 1_000),
    quick: amount(1_000, 500),
  },
  {
    ...OVER_TLS,
    name: "tls-publish",
    title: "publish over TLS, window 1000, 100 B",
    kind: "publish",
    full: amount(40_000, 30_000),
  },
  {
    ...OVER_TLS,
    name: "tls-consume",
    title: "consume over TLS, prefetch 250, 100 B",
    kind: "consume",
    full: amount(40_000, 30_000),
  },
  {
    ...MILLION,
    name: "memory-publish",
    title: "memory, publish, 100 B",
    half: "publish",
  },
  {
    ...MILLION,
    name: "memory-consume",
    title: "memory, consume, 100 B",
    half: "consume",
  },
  {
    ...MILLION,
    name: "memory",
    title: "memory, publish and consume at once, 100 B",
  },
  ...CROWDS.map((consumers): Workload => ({
    ...USUAL,
    name: `scale-${consumers}`,
    title: `${consumers} consumer${consumers === 1 ? "" : "s"} in one program, 100 B`,
    kind: "scale",
    // As many messages under way, whatever the number of consumers.
    prefetch: Math.max(2, 1_000 / consumers),
    consumers,
    full: amount(30_000, 20_000),
    quick: consumers === 1 || consumers === 1_000 ? amount(10_000, 3_000) : undefined,
    contestants: ["lapinmq", "amqplib", "limit"],
    maxRounds: 3,
  })),
];

/**
 * The workloads whose name is, or begins with, one of these. Without, all of them; but those over TLS
 * have to be asked for, as they need openssl.
 */
export function chooseWorkloads(names: readonly string[], isQuick: boolean): Workload[] {
  if (names.length === 0) {
    return WORKLOADS.filter(({ quick, overTls }) => !overTls && (!isQuick || quick !== undefined));
  }
  return names.flatMap((name) => {
    const exact = WORKLOADS.filter((workload) => workload.name === name);
    const chosen = exact.length > 0
      ? exact
      : WORKLOADS.filter((workload) => workload.name.startsWith(name));
    if (chosen.length > 0) return chosen;
    const known = WORKLOADS.map((workload) => workload.name).join(", ");
    throw new Error(`Cannot take --only=${name}: there is ${known}`);
  });
}

/** Whether a contestant takes part; another build of lapinmq does where lapinmq does. */
export function takesPart({ contestants }: Workload, name: string): boolean {
  return contestants === undefined || contestants.includes(name === BASELINE ? "lapinmq" : name);
}

/** How many messages; a workload that quick runs leave out gets a tenth of a full run. */
export function amountOf({ full, quick }: Workload, isQuick: boolean): Amount {
  if (!isQuick) return full;
  return quick ?? amount(Math.ceil(full.messages / 10), Math.ceil(full.warmUp / 10));
}
