/**
 * `deno task bench:isolation [--broker=3|4] [--rounds=5] [--docs]`: what tasks in threads and processes
 * cost for each message, what they gain where tasks compute, and what of it the program's event loop
 * notices. With `--docs` the figures go into docs/isolation.md.
 */

import { launch, ROOT } from "../tools/launch.ts";
import { readOptions, runTool } from "../tools/options.ts";
import { withBroker } from "../tools/with_broker.ts";
import { type BenchQueue, benchQueue } from "./isolation/bench_queue.ts";
import {
  computingMs,
  type LoopDelay,
  loopDelayAt,
  perMessageUs,
  type Place,
} from "./isolation/measure.ts";
import { median } from "./statistics.ts";

const PLACES: readonly Place[] = ["program", "thread", "process"];
const APART: readonly Place[] = ["thread", "process"];
const MESSAGES = 10_000;
/** So many rounds take some 0.2 s. */
const ROUNDS = 40_000_000;
const COMPUTING = 8;
const DELAY_MS = 3_000;

interface Figures {
  readonly us: Record<string, number[]>;
  readonly ratios: Record<string, number[]>;
  readonly delays: Record<string, LoopDelay[]>;
}

async function measure(url: string, queue: BenchQueue, rounds: number): Promise<Figures> {
  const empty = (): Record<string, never[]> => ({ program: [], thread: [], process: [] });
  const figures: Figures = { us: empty(), ratios: empty(), delays: empty() };
  for (let round = 1; round <= rounds; round++) {
    console.error(`round ${round} of ${rounds}`);
    for (const place of PLACES) {
      figures.us[place].push(await perMessageUs(place, url, queue, MESSAGES));
    }
    for (const place of APART) {
      const work = { messages: COMPUTING, rounds: ROUNDS };
      const one = await computingMs(place, url, queue, { workers: 1, ...work });
      const two = await computingMs(place, url, queue, { workers: 2, ...work });
      figures.ratios[place].push(two / one);
    }
    for (const place of PLACES) {
      const work = { workers: 2, rounds: ROUNDS * 25, forMs: DELAY_MS };
      figures.delays[place].push(await loopDelayAt(place, url, queue, work));
    }
  }
  return figures;
}

function report({ us, ratios, delays }: Figures): string {
  const inProgram = median(us.program);
  const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const delay = (place: Place, name: keyof LoopDelay) =>
    median(delays[place].map((one) => one[name])).toFixed(2);
  const rows = PLACES.map((place) => [
    place === "program" ? "in the program" : `in a ${place}`,
    median(us[place]).toFixed(0),
    place === "program" ? "" : `+${(median(us[place]) - inProgram).toFixed(0)}`,
    place === "program" ? "" : median(ratios[place]).toFixed(2),
    `${delay(place, "median")} / ${delay(place, "p99")} / ${delay(place, "max")}`,
  ]);
  return [
    row([
      "the task runs",
      "µs per message",
      "overhead",
      "time with 2 workers",
      "event loop late by",
    ]),
    row(["---", "---", "---", "---", "---"]),
    ...rows.map(row),
    "",
    `Medians of ${us.program.length} interleaved rounds. _µs per message_: ${MESSAGES} messages of ` +
    `1 KB, one worker, a task that does nothing. _Time with 2 workers_: that of ${COMPUTING} ` +
    `messages of some 0.2 s of computing, as a part of the time with one worker, on a machine with ` +
    `${navigator.hardwareConcurrency} processors that the broker shares. _Event loop late by_: ` +
    `median / 99th percentile / most, in ms, of a timer of 10 ms in the program, while both workers ` +
    `compute (in the program: while nothing runs).`,
  ].join("\n");
}

async function writePage(figures: string): Promise<void> {
  const page = `${ROOT}docs/isolation.md`;
  const before = await Deno.readTextFile(page);
  const [head, tail] = [before.indexOf("<!-- figures -->"), before.indexOf("<!-- end -->")];
  if (head < 0 || tail < 0) throw new Error(`Cannot find the place for the figures in ${page}`);
  const text = `${before.slice(0, head)}<!-- figures -->\n\n${figures}\n\n${before.slice(tail)}`;
  await Deno.writeTextFile(page, text);
  await launch(["fmt", "--quiet", page]).status;
}

if (import.meta.main) {
  await runTool(() => {
    const { want, flags } = readOptions(Deno.args, ["rounds", "docs"]);
    return withBroker({ want }, async (broker) => {
      await using queue = await benchQueue(broker.url);
      const rounds = Number(flags.get("rounds") ?? 5);
      const figures = report(await measure(broker.url, queue, rounds));
      const { deno } = Deno.version;
      const whole = `${figures}\n\nMeasured on Deno ${deno} with RabbitMQ ${broker.version}.`;
      console.log(whole);
      if (flags.has("docs")) await writePage(whole);
      return 0;
    });
  });
}
