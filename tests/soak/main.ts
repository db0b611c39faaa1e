/**
 * `deno task soak`: publishers and workers under fire, and a verdict on what became of every message.
 *
 *     deno task soak [--minutes=3] [--seed=N] [--broker=3|4] [--kind=single|cluster] [--faults-every=SECONDS]
 *                    [--least-faults=N] [--only=PART_OF_A_FAULT'S_NAME] [--rate=MESSAGES_PER_SECOND]
 *                    [--delivery-limit=default] [--keep]
 *     deno task soak --sabotage=ack-early|ignore-confirms|wrong-channel|judge-once|no-callback-timeout|all
 *                                                                             proves the checker
 *     deno task soak --client=NAME, or --compare                              the same for other clients
 */

import { catchInterrupt } from "../../tools/interrupt.ts";
import { ROOT } from "../../tools/launch.ts";
import { runTool } from "../../tools/options.ts";
import { charges } from "./checker.ts";
import { CLIENTS } from "./client.ts";
import { type Fault, faultsFor } from "./faults.ts";
import { comparison, report } from "./report.ts";
import { copyLibrary, type Sabotage, SABOTAGES } from "./sabotage.ts";
import { type Findings, soak, type SoakOptions } from "./soak.ts";

const FLAGS = [
  "minutes",
  "seed",
  "broker",
  "kind",
  "faults-every",
  "least-faults",
  "only",
  "rate",
  "delivery-limit",
  "sabotage",
  "client",
  "compare",
  "keep",
];

type Options = Omit<SoakOptions, "folder"> & { readonly keep: boolean };

function readFlags(args: readonly string[]): Map<string, string> {
  const flags = new Map<string, string>();
  for (const arg of args) {
    const [, name, value] = arg.match(/^--([a-z-]+)(?:=(.*))?$/) ?? [];
    if (name === undefined || !FLAGS.includes(name)) {
      throw new Error(
        `Cannot take ${arg}: there is ${FLAGS.map((flag) => `--${flag}`).join(", ")}`,
      );
    }
    flags.set(name, value ?? "");
  }
  return flags;
}

function numberOf(flags: Map<string, string>, name: string, otherwise: number): number {
  const text = flags.get(name);
  if (text === undefined) return otherwise;
  const number = Number(text);
  if (text === "" || !Number.isFinite(number) || number < 0) {
    throw new Error(`Cannot take --${name}=${text}: it must be a number`);
  }
  return number;
}

function choiceOf<T extends string>(
  flags: Map<string, string>,
  name: string,
  choices: readonly T[],
  otherwise: T,
): T {
  const text = flags.get(name) ?? otherwise;
  const choice = choices.find((one) => one === text);
  if (choice !== undefined) return choice;
  throw new Error(`Cannot take --${name}=${text}: choose from ${choices.join(", ")}`);
}

function chooseFaults(kind: "single" | "cluster", part: string): Fault[] {
  const all = faultsFor(kind);
  const chosen = all.filter(({ name }) => name.includes(part));
  if (chosen.length > 0) return chosen;
  const names = all.map(({ name }) => `  ${name}`).join("\n");
  throw new Error(`Cannot take --only=${part}: no fault has that in its name:\n${names}`);
}

function readSoakOptions(
  flags: Map<string, string>,
  signal: AbortSignal,
): Options {
  const kind = choiceOf(flags, "kind", ["single", "cluster"], "single");
  const version = choiceOf(flags, "broker", ["3", "4"], "4");
  const limited = choiceOf(flags, "delivery-limit", ["default", "none"], "none") === "default";
  if (limited && version === "3") {
    throw new Error("Cannot take --delivery-limit=default with --broker=3: RabbitMQ 3 has none");
  }
  return {
    keep: flags.has("keep"),
    minutes: numberOf(flags, "minutes", flags.has("sabotage") ? 1 : 3),
    leastFaults: numberOf(flags, "least-faults", 0),
    seed: numberOf(flags, "seed", crypto.getRandomValues(new Uint16Array(1))[0]),
    version,
    kind,
    pauseMs: 1_000 * numberOf(flags, "faults-every", 1.5),
    faults: chooseFaults(kind, flags.get("only") ?? ""),
    limited,
    client: choiceOf(flags, "client", CLIENTS, "lapinmq"),
    rate: numberOf(flags, "rate", 120),
    log: console.log,
    signal,
  };
}

/** Runs one soak in a folder of its own, which stays only if something is wrong or it is to be kept. */
async function runSoak(
  options: Options,
  sabotage?: Sabotage,
): Promise<Findings> {
  const folder = await Deno.makeTempDir({ prefix: "lapinmq-soak-" });
  let keep = true;
  try {
    // A copy, so that an edit during the run does not change what is tested.
    const library = await copyLibrary(ROOT, `${folder}/library`, sabotage);
    const findings = await soak({ ...options, folder, library });
    console.log(report(findings));
    const isWrong = sabotage === undefined && charges(findings.verdict).length > 0;
    keep = options.keep || isWrong;
    return findings;
  } finally {
    if (keep) console.log(`The journals are in ${folder}`);
    else await Deno.remove(folder, { recursive: true });
  }
}

async function proveChecker(
  options: Options,
  sabotages: readonly Sabotage[],
): Promise<number> {
  const acquitted: Sabotage[] = [];
  for (const sabotage of sabotages) {
    console.log(`\nSabotage: ${sabotage}`);
    const { verdict } = await runSoak({ ...options, client: "lapinmq" }, sabotage);
    if (options.signal.aborted) return 1;
    const held = charges(verdict);
    console.log(
      `The checker ${
        held.length > 0 ? `condemns ${sabotage}: ${held.join(", ")}` : `ACQUITS ${sabotage}`
      }`,
    );
    if (held.length === 0) acquitted.push(sabotage);
  }
  if (acquitted.length > 0) {
    console.log(`\nThe checker is no good: it acquits ${acquitted.join(", ")}`);
  }
  return acquitted.length > 0 ? 1 : 0;
}

async function compare(options: Options): Promise<number> {
  const all: Findings[] = [];
  for (const client of CLIENTS) {
    if (options.signal.aborted) return 1;
    console.log(`\nClient: ${client}`);
    all.push(await runSoak({ ...options, client }));
  }
  console.log(comparison(all));
  return charges(all[0].verdict).length > 0 ? 1 : 0;
}

if (import.meta.main) {
  await runTool(async () => {
    const flags = readFlags(Deno.args);
    using interrupt = catchInterrupt();
    const options = readSoakOptions(flags, interrupt.signal);
    console.log(`Seed: ${options.seed}`);
    if (flags.has("compare")) return compare(options);
    if (flags.has("sabotage")) {
      const chosen = choiceOf(flags, "sabotage", [...SABOTAGES, "all"], "all");
      return proveChecker(options, chosen === "all" ? SABOTAGES : [chosen]);
    }
    const { verdict, episodes } = await runSoak(options);
    const { leastFaults } = options;
    if (episodes.length < leastFaults) {
      console.log(`FAILED: ${episodes.length} faults are fewer than the ${leastFaults} asked for`);
      return 1;
    }
    return charges(verdict).length > 0 ? 1 : 0;
  });
}
