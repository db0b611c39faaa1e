import { assert, assertEquals } from "@std/assert";
import { config, folder, LIBRARY, runDeno, type Written } from "../support/small_programs.ts";

/**
 * Runs a program that has a process with this task module as `worker`. What it prints is at its end
 * only when the process is gone too, which prints to the same place.
 */
async function runWith(task: string, program: string): Promise<Written> {
  await using app = await folder({
    "deno.json": config(LIBRARY),
    "main.ts": `
      import { ProcessWorker } from "${LIBRARY}/src/isolation/process_worker.ts";
      const href = new URL("./task.ts", import.meta.url).href;
      const worker = new ProcessWorker(href, { permissions: "inherit", runFlags: [] });
      await worker.ready;
      const nothing = { kind: "value", value: {} } as const;
      const message = {
        body: new Uint8Array(),
        exchange: "",
        routingKey: "",
        redelivered: false,
        properties: nothing,
        headers: nothing,
      };
      ${program}`,
    "task.ts": `import { defineTask, MessageStatus } from "lapinmq/task";\n${task}`,
  });
  return await runDeno(["run", "-A", "main.ts"], { cwd: app.path });
}

Deno.test("A process prints where the program prints", async () => {
  const { stdout, stderr } = await runWith(
    `export default defineTask(() => {
       console.log("to stdout");
       console.error("to stderr");
       return MessageStatus.SUCCESS;
     });`,
    `await worker.run(message);
     await worker.end();
     console.log("and this");`,
  );
  assertEquals(stdout, "to stdout\nand this\n");
  assert(stderr.includes("to stderr"), stderr);
});

const IDLE = `console.log("loaded"); export default defineTask(() => MessageStatus.SUCCESS);`;
const BUSY = `
  export default defineTask(() => {
    console.log("loaded");
    Deno.writeTextFileSync("begun", "");
    const end = performance.now() + 5_000;
    while (performance.now() < end);
    console.log("computed on");
    return MessageStatus.SUCCESS;
  });`;
const BEGIN = `
  void worker.run(message);
  while (!await Deno.stat("begun").catch(() => undefined)) await new Promise((turn) => setTimeout(turn, 10));`;

const ENDS: [string, string, string][] = [
  ["is killed", IDLE, `Deno.kill(Deno.pid, "SIGKILL");`],
  ["throws", IDLE, `throw new Error("over");`],
  ["exits while the task computes", BUSY, `${BEGIN} Deno.exit(0);`],
  ["ends it while the task computes", BUSY, `${BEGIN} await worker.end();`],
];

for (const [how, task, source] of ENDS) {
  Deno.test(`A process ends with a program that ${how}`, async () => {
    assertEquals((await runWith(task, source)).stdout, "loaded\n");
  });
}
