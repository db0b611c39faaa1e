/**
 * `deno task ok [--static] [--broker=3|4]`: everything that has to be right before a change is shared. With `--static`
 * only what needs no broker and runs no test.
 */
import { launch, ROOT } from "./launch.ts";
import { readOptions, runTool } from "./options.ts";

interface Step {
  readonly name: string;
  readonly args: readonly string[];
}

const STEPS: readonly Step[] = [
  { name: "format", args: ["fmt", "--check"] },
  { name: "lint", args: ["lint"] },
  { name: "types", args: ["check", "."] },
  { name: "documentation", args: ["doc", "--lint", "mod.ts", "src/task.ts"] },
  { name: "examples in the documentation", args: ["check", "--doc", "mod.ts", "src"] },
  { name: "examples in the README", args: ["check", "--doc-only", "README.md"] },
  { name: "package", args: ["publish", "--dry-run", "--allow-dirty"] },
];

/** Runs a step; what it says is shown only if it fails. */
async function pass({ name, args }: Step): Promise<boolean> {
  const startedAt = performance.now();
  const { success, stdout, stderr } = await launch(args, { stdout: "piped", stderr: "piped" })
    .output();
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  console.log(`${success ? "ok    " : "FAILED"} ${name} (${seconds} s)`);
  if (!success) {
    const decoder = new TextDecoder();
    console.log(`\ndeno ${args.join(" ")}\n${decoder.decode(stdout)}${decoder.decode(stderr)}`);
  }
  return success;
}

if (import.meta.main) {
  Deno.chdir(ROOT);
  await runTool(async () => {
    const { flags } = readOptions(Deno.args, ["static"]);
    let isOk = true;
    for (const step of STEPS) isOk = await pass(step) && isOk;
    if (flags.has("static")) return isOk ? 0 : 1;
    const args = Deno.args.filter((arg) => arg.startsWith("--broker"));
    const { code } = await launch(["run", "--allow-all", "tools/test.ts", ...args]).status;
    return isOk ? code : 1;
  });
}
