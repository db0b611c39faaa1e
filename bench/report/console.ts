import { comparisons } from "../against.ts";
import { BASELINE } from "../contestant.ts";
import { verdicts } from "../goals.ts";
import { figureOf, type Result, type Results, workloadsOf } from "../results.ts";
import { columns, short, spreadText } from "./format.ts";

/** The results as a table for the console. */
export function consoleReport(results: Results): string {
  const lines = [`${results.broker}, Deno ${results.deno}, ${results.system}`];
  for (const { name, title, bodyBytes } of workloadsOf(results)) {
    const own = results.results.filter(({ workload }) => workload.name === name);
    const heads = ["", "messages/s", "MB/s", "CPU µs/message", "peak MiB", ...furtherHeads(own)];
    const rows = own.map((result) => [
      `  ${result.contestant}`,
      text(result, "rate"),
      short((figureOf(result, "rate")?.median ?? 0) * bodyBytes / 1e6),
      text(result, "cpuMicros"),
      text(result, "peakMib"),
      ...further(result),
      ...(result.failures.length > 0 ? [`FAILED ${result.failures.length} times`] : []),
    ]);
    const width = Math.max(heads.length, ...rows.map((row) => row.length));
    const filled = [heads, ...rows].map((row) => [...row, ...Array(width - row.length).fill("")]);
    lines.push("", title, ...columns(filled));
  }
  const judged = verdicts(results);
  if (judged.length > 0) {
    const rows = judged.map(({ what, goal, found, isMet }) => [
      `  ${what}`,
      goal,
      found,
      isMet ? "met" : "missed",
    ]);
    lines.push("", "Goals", ...columns(rows));
  }
  const compared = comparisons(results);
  if (compared.length > 0) {
    const heads = [`lapinmq, to ${BASELINE}`, "CPU per message", "messages/s", "peak memory"];
    const rows = compared.map(({ title, cpuMicros, rate, peakMib }) => [
      `  ${title}`,
      cpuMicros,
      rate,
      peakMib,
    ]);
    lines.push("", ...columns([heads, ...rows]));
  }
  return lines.join("\n");
}

function text(result: Result, figure: Parameters<typeof figureOf>[1]): string {
  const found = figureOf(result, figure);
  return found === undefined ? "-" : spreadText(found);
}

function furtherHeads(results: readonly Result[]): string[] {
  const found = results.flatMap(({ rounds }) => rounds);
  if (found.some((one) => one?.latencyMs)) return ["p50 ms", "p99 ms"];
  if (found.some((one) => one?.start)) return ["start ms", "heap KB each"];
  if (found.some((one) => one?.heap)) return ["heap warm MiB", "heap end MiB"];
  return [];
}

function further(result: Result): string[] {
  const [first] = result.rounds.filter((round) => round !== null);
  if (first?.latencyMs) return [text(result, "p50"), text(result, "p99")];
  if (first?.start) return [short(first.start.ms), short(first.start.heapBytesPerConsumer / 1024)];
  if (first?.heap) {
    return [short(first.heap.warmBytes / 2 ** 20), short(first.heap.endBytes / 2 ** 20)];
  }
  return [];
}
