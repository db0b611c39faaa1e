/**
 * `deno task example NAME [--broker=4] [arguments]`: runs `examples/NAME.ts` on a broker that is found or started, with
 * the permissions that its second line names, and no others.
 */
import type { Wanted } from "./broker/find.ts";
import { launch, ROOT } from "./launch.ts";
import { readOptions, runTool } from "./options.ts";
import { exitCode, withBroker } from "./with_broker.ts";

const EXAMPLES = `${ROOT}examples`;
const USUAL_ADDRESS = "localhost:5672";

async function names(): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(EXAMPLES));
  return entries.filter(({ name }) => name.endsWith(".ts")).map(({ name }) => name.slice(0, -3))
    .sort();
}

async function readExample(name: string): Promise<string> {
  try {
    return await Deno.readTextFile(`${EXAMPLES}/${name}.ts`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(
      `Cannot run the example "${name}": there is none: choose from ${(await names()).join(", ")}`,
    );
  }
}

/**
 * The flags that an example asks for, which its second line shows: `// = deno run FLAGS examples/NAME.ts`.
 *
 * @param address Where the broker is: it takes the place of `localhost:5672` in them.
 */
export function flagsOf(source: string, address: string): string[] {
  const line = source.split("\n").slice(0, 2).map((text) =>
    text.match(/^\/\/ = deno run (.*?) ?examples\//)?.[1]
  );
  const flags = line.find((text) => text !== undefined);
  if (flags === undefined) {
    throw new Error(
      'Cannot run this example: its second line is not "// = deno run FLAGS examples/NAME.ts"',
    );
  }
  // The quotes are for shells that would look for files by the name of --allow-env="RABBITMQ_*".
  return flags.replaceAll('"', "").replaceAll(USUAL_ADDRESS, address).split(" ")
    .filter((flag) => flag !== "");
}

/** Runs an example to its end. */
export async function runExample(
  name: string,
  args: readonly string[],
  want: Wanted,
): Promise<number> {
  const source = await readExample(name);
  flagsOf(source, USUAL_ADDRESS);
  return withBroker({ want }, (broker, environment, signal) => {
    const flags = flagsOf(source, `${broker.hostname}:${broker.port}`);
    return exitCode(
      launch(["run", ...flags, `examples/${name}.ts`, ...args], { environment }),
      signal,
    );
  });
}

if (import.meta.main) {
  await runTool(async () => {
    const { want, rest: [name, ...rest] } = readOptions(Deno.args);
    if (name !== undefined) return runExample(name, rest, want);
    console.log(`deno task example NAME, where NAME is one of\n  ${(await names()).join("\n  ")}`);
    return 0;
  });
}
