/** What the benchmark is to show: ratios, as absolute figures say more of the machine. */

import { PEERS } from "./contestant.ts";
import { short } from "./report/format.ts";
import {
  type Figure,
  figureOf,
  find,
  ratioOf,
  ratioText,
  type Result,
  type Results,
  workloadsOf,
} from "./results.ts";
import { median } from "./statistics.ts";

/** A goal, what was found, and whether that reaches it. */
export interface Verdict {
  readonly what: string;
  readonly goal: string;
  readonly found: string;
  readonly isMet: boolean;
}

interface Goal {
  readonly workload: string;
  readonly figure: Figure;
  readonly versus: string;
  readonly atLeast?: number;
  readonly atMost?: number;
}

const BEST = "the best peer";
const NAMES: Readonly<Record<Figure, string>> = {
  rate: "rate",
  cpuMicros: "CPU per message",
  peakMib: "peak memory",
  p50: "p50",
  p99: "p99",
};

function goalsFor(major: number): Goal[] {
  return [
    { workload: "publish", figure: "rate", versus: "limit", atLeast: 0.9 },
    { workload: "publish", figure: "rate", versus: "amqplib", atLeast: 1.2 },
    { workload: "publish", figure: "rate", versus: BEST, atLeast: 1.05 },
    { workload: "consume", figure: "rate", versus: "limit", atLeast: 0.9 },
    { workload: "consume", figure: "rate", versus: "amqplib", atLeast: major < 4 ? 1.7 : 1.2 },
    { workload: "consume", figure: "rate", versus: BEST, atLeast: 1.1 },
    { workload: "pipeline", figure: "rate", versus: "amqplib", atLeast: 1.5 },
    { workload: "publish-one", figure: "rate", versus: BEST, atLeast: 0.9 },
    { workload: "latency", figure: "p50", versus: BEST, atMost: 1.1 },
    { workload: "latency", figure: "p99", versus: BEST, atMost: 1.1 },
    ...["publish-100k", "publish-4m", "consume-100k", "consume-4m"].map((workload): Goal => (
      { workload, figure: "rate", versus: BEST, atLeast: 1 }
    )),
    ...["publish", "consume"].flatMap((workload): Goal[] => [
      { workload, figure: "cpuMicros", versus: "amqplib", atMost: 0.7 },
      { workload, figure: "cpuMicros", versus: BEST, atMost: 1 },
    ]),
  ];
}

/** The verdict on every goal of which the figures are there. */
export function verdicts(results: Results): Verdict[] {
  const [, major = "4"] = results.broker.match(/RabbitMQ (\d+)/) ?? [];
  return [
    ...goalsFor(Number(major)).map((goal) => judge(results, goal)),
    ...memoryVerdicts(results),
    ...scaleVerdicts(results),
  ].filter((verdict) => verdict !== undefined);
}

function judge(results: Results, goal: Goal): Verdict | undefined {
  const { workload, figure, versus, atLeast, atMost = Infinity } = goal;
  const ours = find(results, workload, "lapinmq");
  const theirs = versus === BEST
    ? bestPeer(results, workload, figure)
    : find(results, workload, versus);
  const ratio = ours && theirs && ratioOf(ours, theirs, figure);
  if (ratio === undefined) return undefined;
  const name = versus === BEST ? `${BEST} (${theirs!.contestant})` : versus;
  return {
    what: `${ours!.workload.title}: ${NAMES[figure]}, to ${name}`,
    goal: atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`,
    found: ratioText(ratio),
    isMet: ratio.median >= (atLeast ?? 0) && ratio.median <= atMost,
  };
}

/** The peer with the best median: the highest rate, and else the lowest figure. */
function bestPeer(results: Results, workload: string, figure: Figure): Result | undefined {
  const sign = figure === "rate" ? 1 : -1;
  let best: { result: Result; value: number } | undefined;
  for (const peer of PEERS) {
    const result = find(results, workload, peer);
    const value = figureOf(result, figure);
    if (value === undefined || result === undefined) continue;
    if (best === undefined || sign * (value.median - best.value) > 0) {
      best = { result, value: value.median };
    }
  }
  return best?.result;
}

/** How much more of something there may be in the end before it counts as growing. */
const NOISE = 1.1;

/** One program that publishes and consumes is to stay flat; one that does either, small as well. */
function memoryVerdicts(results: Results): Verdict[] {
  return workloadsOf(results).filter(({ kind }) => kind === "memory").flatMap((workload) => {
    const [found] = find(results, workload.name, "lapinmq")?.rounds ?? [];
    if (!found?.memory || !found.heap) return [];
    const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
    const rss = found.memory.map(({ rssBytes }) => rssBytes);
    const quarter = Math.ceil(rss.length / 4);
    const [first, last] = [median(rss.slice(0, quarter)), median(rss.slice(-quarter))];
    const { warmBytes, endBytes } = found.heap;
    const flat = [
      {
        what: `${workload.title}: resident, first and last quarter`,
        goal: "flat",
        found: `${mib(first)}, ${mib(last)}`,
        isMet: last <= first * NOISE,
      },
      {
        what: `${workload.title}: heap after a collection, warm and at the end`,
        goal: "flat",
        found: `${mib(warmBytes)}, ${mib(endBytes)}`,
        isMet: endBytes <= warmBytes * NOISE,
      },
    ];
    if (workload.half === undefined) return flat;
    return [...flat, {
      what: `${workload.title}: peak, resident`,
      goal: "< 150 MB",
      found: `${(found.peakBytes / 1e6).toFixed(0)} MB`,
      isMet: found.peakBytes < 150e6,
    }];
  });
}

/** What each of many consumers takes, in KB, without what the connection and the first one take. */
function heapOfOneMore(results: Results): number | undefined {
  const [all, single] = ["scale-1000", "scale-1"].map((workload) => {
    const starts = find(results, workload, "lapinmq")?.rounds.flatMap((round) =>
      round?.start ?? []
    );
    return starts?.length ? median(starts.map((start) => start.heapBytesPerConsumer)) : undefined;
  });
  return all && single && (1_000 * all - single) / 999 / 1024;
}

/** What a message costs with a thousand consumers, and to what it costs with one. */
function growthOf(results: Results, contestant: string) {
  const [single, many] = ["scale-1", "scale-1000"].map((workload) =>
    figureOf(find(results, workload, contestant), "cpuMicros")?.median
  );
  if (single === undefined || many === undefined) return undefined;
  return growth(single, many);
}

function growth(single: number, many: number) {
  const ratio = many / single;
  const text = `${ratio.toFixed(2)} (${short(single)} → ${short(many)} µs)`;
  return { single, many, ratio, text };
}

function scaleVerdicts(results: Results): (Verdict | undefined)[] {
  const result = find(results, "scale-1000", "lapinmq");
  const starts =
    result?.rounds.map((round) => round?.start).filter((start) => start !== undefined) ?? [];
  if (starts.length === 0) return [];
  const ms = median(starts.map((start) => start.ms));
  const heap = heapOfOneMore(results);
  const connections = starts.map((start) => start.connections).filter((count) =>
    count !== undefined
  );
  const [ours, theirs, least] = ["lapinmq", "amqplib", "limit"].map((name) =>
    growthOf(results, name)
  );
  return [
    connections.length === 0 ? undefined : {
      what: "1000 consumers: connections",
      goal: "1",
      found: String(Math.max(...connections)),
      isMet: Math.max(...connections) === 1,
    },
    {
      what: "1000 consumers: start",
      goal: "< 5 s",
      found: `${(ms / 1_000).toFixed(2)} s`,
      isMet: ms < 5_000,
    },
    heap === undefined ? undefined : {
      what: "1000 consumers: heap of each beyond the first",
      goal: "≤ 12 KB",
      found: `${heap.toFixed(1)} KB`,
      isMet: heap <= 12,
    },
    ours && {
      what: "1000 consumers: CPU per message, to that of one",
      goal: `≤ ${NOISE}`,
      found: [
        ours.text,
        ...(theirs ? [`amqplib ${theirs.text}`] : []),
        ...(least ? [`limit ${least.text}`] : []),
      ].join("; "),
      isMet: ours.ratio <= NOISE,
    },
    ours && least && ownGrowth(ours, least),
    ours && theirs && {
      what: "1000 consumers: CPU per message, to amqplib",
      goal: "≤ 1",
      found: (ours.many / theirs.many).toFixed(2),
      isMet: ours.many <= theirs.many,
    },
  ];
}

type Growth = ReturnType<typeof growth>;

/** Without what reading and writing cost a client that does nothing else. */
function ownGrowth(ours: Growth, least: Growth): Verdict {
  const own = growth(ours.single - least.single, ours.many - least.many);
  return {
    what: "1000 consumers: CPU per message beyond that of limit, to that of one",
    goal: `≤ ${NOISE}`,
    found: own.text,
    isMet: own.ratio <= NOISE,
  };
}
