/**
 * `deno task bench`: lapinmq, what a user might pick instead, and the limit, on one broker.
 *
 *     deno task bench [--quick] [--broker=3|4] [--only=WORKLOADS] [--contestants=NAMES] [--rounds=5]
 *                     [--out=FOLDER]    where results.json, chart.svg and table.md go
 *                     [--docs]          puts the figures into docs/performance.md as well
 *     deno task bench --against=FOLDER  lapinmq, and lapinmq of another checkout: what a change costs
 *     deno task bench --profile=FOLDER  each program leaves a CPU profile there
 *     deno task bench --from=FILE       shows the results of an earlier run again
 */

import { launch, ROOT } from "../tools/launch.ts";
import { runTool } from "../tools/options.ts";
import { withBroker } from "../tools/with_broker.ts";
import { fileOf } from "./contestant.ts";
import { type BenchOptions, readBenchOptions } from "./options.ts";
import { Queues } from "./queues.ts";
import { chart } from "./report/chart.ts";
import { consoleReport } from "./report/console.ts";
import { markdownReport, withFigures } from "./report/markdown.ts";
import type { Result, Results } from "./results.ts";
import { play } from "./rounds.ts";
import { amountOf, chooseWorkloads } from "./workloads.ts";

const IMAGE = "![Rates and CPU time of all contestants](performance.svg)";

async function download(contestants: readonly string[]): Promise<void> {
  const files = contestants.map((name) => fileOf(name).href);
  const { success } = await launch(["cache", "--quiet", ...files]).status;
  if (!success) throw new Error("Cannot download the contestants");
}

function systemOf(): string {
  const cpus = navigator.hardwareConcurrency;
  return `${Deno.build.os} ${Deno.build.arch}, ${cpus} processor${cpus === 1 ? "" : "s"}`;
}

/** Writes the files of a run. */
async function write(results: Results, { out, docs }: BenchOptions): Promise<void> {
  await Deno.mkdir(out, { recursive: true });
  const figures = markdownReport(results);
  const image = chart(results);
  await Deno.writeTextFile(`${out}/results.json`, JSON.stringify(results, null, 2) + "\n");
  await Deno.writeTextFile(`${out}/chart.svg`, image);
  await Deno.writeTextFile(`${out}/table.md`, figures + "\n");
  console.log(`\nWritten to ${out}: results.json, chart.svg, table.md`);
  if (!docs) return;
  const page = `${ROOT}docs/performance.md`;
  await Deno.writeTextFile(
    page,
    withFigures(await Deno.readTextFile(page), `${IMAGE}\n\n${figures}`),
  );
  await Deno.writeTextFile(`${ROOT}docs/performance.svg`, image);
  await launch(["fmt", "--quiet", page, `${ROOT}docs/performance.svg`]).status;
  console.log("Written to docs: performance.md, performance.svg");
}

async function bench(options: BenchOptions): Promise<number> {
  const { broker: want, isQuick, contestants, rounds, against, profiles } = options;
  const workloads = chooseWorkloads(options.only, isQuick)
    .map((workload) => ({ workload, amount: amountOf(workload, isQuick) }));
  await download(contestants);
  const log = (line: string) => console.log(line);
  return await withBroker({ want, log }, async (broker, environment, signal) => {
    await using queues = await Queues.open(broker.url);
    const setting = { url: broker.url, queues, environment, signal, against, profiles };
    let measured: Result[];
    try {
      measured = await play(setting, { workloads, contestants, rounds, log });
    } catch (error) {
      if (signal.aborted) return signal.reason;
      throw error;
    }
    const results: Results = {
      at: new Date().toISOString(),
      broker: `RabbitMQ ${broker.version}`,
      deno: Deno.version.deno,
      system: systemOf(),
      isQuick,
      results: measured,
    };
    console.log(`\n${consoleReport(results)}`);
    await write(results, options);
    return measured.some(({ failures }) => failures.length > 0) ? 1 : 0;
  });
}

if (import.meta.main) {
  await runTool(async () => {
    const options = readBenchOptions(Deno.args, `${ROOT}bench/results`);
    if (options.from === undefined) return await bench(options);
    const results: Results = JSON.parse(await Deno.readTextFile(options.from));
    console.log(consoleReport(results));
    await write(results, options);
    return 0;
  });
}
