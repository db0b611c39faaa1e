/**
 * `deno task bench:import`: how long it takes until each client is imported, in milliseconds, with Deno's own start
 * taken off: the least of 25 programs each, side by side.
 */
import { launch, ROOT } from "../tools/launch.ts";

const RUNS = 25;

/** What is imported. Those that cannot be had are left out, and said to be. */
const CLIENTS: Readonly<Record<string, string>> = {
  "amqplib": "npm:amqplib@2.3.1",
  "lapinmq": new URL("../mod.ts", import.meta.url).href,
  "lapinmq/task": new URL("../src/task.ts", import.meta.url).href,
  "rabbitmq-client": "npm:rabbitmq-client@^5.0.8",
  "@cloudamqp/amqp-client": "npm:@cloudamqp/amqp-client@^4.1.1",
};

/** How long a program that imports this takes from its start to its end, or one that imports nothing. */
async function runMs(specifier: string | undefined): Promise<number | undefined> {
  const source = specifier === undefined ? "" : `import ${JSON.stringify(specifier)};`;
  const file = await Deno.makeTempFile({
    dir: `${ROOT}tests/support`,
    prefix: "tmp_",
    suffix: ".ts",
  });
  try {
    await Deno.writeTextFile(file, `${source}\nDeno.exit();`);
    const startedAt = performance.now();
    const flags = ["run", "--quiet", "--allow-all", "--no-check"];
    const child = launch([...flags, file], { stdout: "piped", stderr: "piped" });
    const { success } = await child.output();
    return success ? performance.now() - startedAt : undefined;
  } finally {
    await Deno.remove(file);
  }
}

if (import.meta.main) {
  const least = new Map<string, number>();
  const missing = new Set<string>();
  let nothing = Infinity;
  for (let round = 0; round < RUNS; round++) {
    nothing = Math.min(nothing, await runMs(undefined) ?? Infinity);
    for (const [name, specifier] of Object.entries(CLIENTS)) {
      if (missing.has(name)) continue;
      const took = await runMs(specifier);
      if (took === undefined) missing.add(name);
      else least.set(name, Math.min(took, least.get(name) ?? Infinity));
    }
  }
  console.log(
    `Import, least of ${RUNS}, without the ${
      nothing.toFixed(1)
    } ms of a program that imports nothing:`,
  );
  for (const [name, took] of least) {
    console.log(`  ${name.padEnd(24)} ${(took - nothing).toFixed(1).padStart(6)} ms`);
  }
  for (const name of missing) console.log(`  ${name.padEnd(24)} cannot be had`);
  const more = (least.get("lapinmq") ?? NaN) - (least.get("amqplib") ?? NaN);
  console.log(`lapinmq takes ${more.toFixed(1)} ms more than amqplib; the goal is 15 at most`);
}
