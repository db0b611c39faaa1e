import type { Wanted } from "./broker/find.ts";

/** The words of a command line: our own flags, and what is left. */
export interface Options {
  readonly want: Wanted;
  /** Flags of the form `--name` or `--name=value`. */
  readonly flags: ReadonlyMap<string, string>;
  readonly rest: readonly string[];
}

function wanted(value: string | undefined): Wanted {
  if (value === undefined) return "any";
  if (value === "3" || value === "4" || value === "any") return value;
  throw new Error(`Cannot take --broker=${value}: there is --broker=3 and --broker=4`);
}

/**
 * Reads a command line.
 *
 * @param known The flags that are ours, but for `--broker`, which every tool knows. All else is left as it stands.
 */
export function readOptions(args: readonly string[], known: readonly string[] = []): Options {
  const flags = new Map<string, string>();
  const rest: string[] = [];
  for (const arg of args) {
    const [, name, value] = arg.match(/^--([a-z]+)(?:=([^]*))?$/) ?? [];
    if (name !== undefined && ["broker", ...known].includes(name)) flags.set(name, value ?? "");
    else rest.push(arg);
  }
  return { want: wanted(flags.get("broker")), flags, rest };
}

/** Runs a tool: an error is shown in its own words, without a stack, and ends it with the exit code 1. */
export async function runTool(tool: () => number | Promise<number>): Promise<never> {
  let code = 1;
  try {
    code = await tool();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
  }
  Deno.exit(code);
}
