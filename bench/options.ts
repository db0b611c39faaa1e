import { BASELINE, CONTESTANTS } from "./contestant.ts";

/** The words of the command line. */
export interface BenchOptions {
  readonly broker: "any" | "3" | "4";
  readonly isQuick: boolean;
  /** Names of workloads, or beginnings of them. */
  readonly only: readonly string[];
  readonly contestants: readonly string[];
  readonly rounds: number;
  /** Where the files go. */
  readonly out: string;
  /** Whether the figures go into the documentation as well. */
  readonly docs: boolean;
  /** The folder of another build of lapinmq. */
  readonly against?: string;
  readonly profiles?: string;
  /** Results of an earlier run, to be shown again instead of measuring. */
  readonly from?: string;
}

const FLAGS = [
  "quick",
  "broker",
  "only",
  "contestants",
  "rounds",
  "out",
  "docs",
  "against",
  "profile",
  "from",
];

function listOf(text: string | undefined): string[] {
  return text === undefined ? [] : text.split(",").filter((name) => name !== "");
}

/** Reads the command line. */
export function readBenchOptions(args: readonly string[], defaultOut: string): BenchOptions {
  const flags = new Map<string, string>();
  for (const arg of args) {
    const [, name, value] = arg.match(/^--([a-z]+)(?:=(.*))?$/) ?? [];
    if (name === undefined || !FLAGS.includes(name)) {
      throw new Error(
        `Cannot take ${arg}: there is ${FLAGS.map((flag) => `--${flag}`).join(", ")}`,
      );
    }
    flags.set(name, value ?? "");
  }
  const broker = flags.get("broker") ?? "any";
  if (broker !== "any" && broker !== "3" && broker !== "4") {
    throw new Error(`Cannot take --broker=${broker}: there is --broker=3 and --broker=4`);
  }
  const isQuick = flags.has("quick");
  const rounds = Number(flags.get("rounds") ?? (isQuick ? 1 : 5));
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new Error(`Cannot take --rounds=${flags.get("rounds")}: it must be a whole number`);
  }
  const against = flags.get("against");
  if (against === "") throw new Error("Cannot take --against=: name the folder of a checkout");
  const chosen = listOf(flags.get("contestants"));
  for (const name of chosen) {
    if (CONTESTANTS.includes(name)) continue;
    throw new Error(`Cannot take --contestants=${name}: there is ${CONTESTANTS.join(", ")}`);
  }
  // What a change costs is between the two builds.
  const usual = against === undefined ? CONTESTANTS : ["lapinmq"];
  const contestants = chosen.length > 0 ? chosen : [...usual];
  return {
    broker,
    isQuick,
    only: listOf(flags.get("only")),
    contestants: against === undefined ? contestants : [...contestants, BASELINE],
    rounds,
    out: flags.get("out") ?? defaultOut,
    docs: flags.has("docs"),
    against,
    profiles: flags.get("profile"),
    from: flags.get("from"),
  };
}
