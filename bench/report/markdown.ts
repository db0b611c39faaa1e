import { comparisons } from "../against.ts";
import { BASELINE } from "../contestant.ts";
import { verdicts } from "../goals.ts";
import {
  contestantsOf,
  type Figure,
  figureOf,
  find,
  type Results,
  workloadsOf,
} from "../results.ts";
import { median } from "../statistics.ts";
import type { Measurement, Workload } from "../workload.ts";
import { markdownTable, short, spreadText } from "./format.ts";

const BEGIN = "<!-- figures: written by deno task bench --docs -->";
const END = "<!-- end of the figures -->";

/** Kinds that have tables of their own. */
const APART = new Set(["memory", "scale"]);

/** The figures of a run as Markdown: what they were taken on, the goals, and a table for each figure. */
export function markdownReport(results: Results): string {
  const rounds = Math.max(...results.results.map((result) => result.rounds.length));
  const how = rounds === 1
    ? "one round"
    : `medians of ${rounds} interleaved rounds, in brackets the least and the greatest`;
  const on = `${results.broker}, Deno ${results.deno}, ${results.system}`;
  const sections = [
    `${on}, ${results.at.slice(0, 10)}: ${how}.`,
    ...goals(results),
    ...against(results),
    ...table(results, "Messages per second", "rate", ({ kind }) => kind !== "latency"),
    ...table(results, "CPU of the client, µs per message", "cpuMicros"),
    ...table(results, "Latency from send to receive, p50, ms", "p50"),
    ...table(results, "Latency from send to receive, p99, ms", "p99"),
    ...table(results, "Peak memory of the client, MiB", "peakMib"),
    ...memoryTable(results),
    ...scaleTable(results),
  ];
  return sections.join("\n\n");
}

/** A document with its figures replaced, which stand between two comments. */
export function withFigures(document: string, figures: string): string {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin === -1 || end < begin) {
    throw new Error(`Cannot find where the figures belong: there must be ${BEGIN} and ${END}`);
  }
  return `${document.slice(0, begin + BEGIN.length)}\n\n${figures}\n\n${document.slice(end)}`;
}

function against(results: Results): string[] {
  const rows = comparisons(results).map(({ title, cpuMicros, rate, peakMib }) => [
    title,
    cpuMicros,
    rate,
    peakMib,
  ]);
  if (rows.length === 0) return [];
  const heads = ["", "CPU per message", "messages/s", "peak memory"];
  return [`### lapinmq, to ${BASELINE}`, markdownTable(heads, rows)];
}

function goals(results: Results): string[] {
  const rows = verdicts(results).map(({ what, goal, found, isMet }) => [
    what,
    goal,
    found,
    isMet ? "yes" : "no",
  ]);
  if (rows.length === 0) return [];
  return ["### lapinmq and its goals", markdownTable(["", "goal", "found", "met"], rows)];
}

function table(
  results: Results,
  title: string,
  figure: Figure,
  takes: (workload: Workload) => boolean = () => true,
): string[] {
  const contestants = contestantsOf(results);
  const rows = workloadsOf(results).filter((workload) =>
    !APART.has(workload.kind) && takes(workload)
  ).map((workload) => [
    workload.title,
    ...contestants.map((contestant) => {
      const found = figureOf(find(results, workload.name, contestant), figure);
      return found === undefined ? "" : spreadText(found);
    }),
  ]).filter((cells) => cells.slice(1).some((cell) => cell !== ""));
  if (rows.length === 0) return [];
  return [`### ${title}`, markdownTable(["", ...contestants], rows)];
}

function measurements(results: Results, kind: Workload["kind"]) {
  return results.results.filter(({ workload }) => workload.kind === kind).flatMap((result) => {
    const rounds = result.rounds.filter((round) => round !== null);
    return rounds.length === 0 ? [] : [{ ...result, rounds }];
  });
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}

function memoryTable(results: Results): string[] {
  const rows = measurements(results, "memory").map(({ workload, contestant, rounds: [found] }) => {
    const rss = found.memory ?? [];
    const at = (part: number) => mib(rss[Math.ceil(rss.length * part) - 1].rssBytes);
    return [
      workload.title,
      contestant,
      short(found.messages),
      ...[0.25, 0.5, 0.75, 1].map(at),
      mib(found.peakBytes),
      mib(found.heap!.warmBytes),
      mib(found.heap!.endBytes),
    ];
  });
  if (rows.length === 0) return [];
  const head = [
    "",
    "client",
    "messages",
    "after 25 %",
    "50 %",
    "75 %",
    "100 %",
    "peak",
    "heap, warm",
    "heap, end",
  ];
  return ["### Memory over many messages, MiB", markdownTable(head, rows)];
}

function scaleTable(results: Results): string[] {
  const rows = measurements(results, "scale").map(({ workload, contestant, rounds }) => {
    const of = (figure: (round: Measurement) => number) => short(median(rounds.map(figure)));
    return [
      contestant,
      String(workload.consumers),
      String(rounds[0].start?.connections ?? ""),
      of(({ start }) => start!.ms),
      of(({ start }) => start!.heapBytesPerConsumer / 1024),
      of(({ cpuSeconds, messages }) => cpuSeconds * 1e6 / messages),
    ];
  });
  if (rows.length === 0) return [];
  const head = [
    "",
    "consumers",
    "connections",
    "start, ms",
    "heap each, KB",
    "CPU, µs per message",
  ];
  return ["### Consumers in one program", markdownTable(head, rows)];
}
