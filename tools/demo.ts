/** `deno task demo [--broker=4]`: finds or starts a broker and shows the main job on it. */
import { runExample } from "./example.ts";
import { readOptions, runTool } from "./options.ts";

if (import.meta.main) {
  await runTool(() => {
    const { want, rest } = readOptions(Deno.args);
    return runExample("demo", rest, want);
  });
}
