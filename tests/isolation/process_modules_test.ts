import { assertEquals } from "@std/assert";
import { ROOT } from "../../tools/launch.ts";
import { config, folder, LIBRARY, runDeno, type Written } from "../support/small_programs.ts";
import { startedProcess, wireMessage } from "../support/task_processes.ts";

/** Serves a folder as a registry of modules would. */
function serve(root: string): { origin: string; shutdown(): Promise<void> } {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      try {
        const text = await Deno.readTextFile(root + new URL(request.url).pathname);
        return new Response(text, { headers: { "content-type": "application/typescript" } });
      } catch {
        return new Response(null, { status: 404 });
      }
    },
  );
  return { origin: `http://127.0.0.1:${server.addr.port}`, shutdown: () => server.shutdown() };
}

/** A program that runs one message through a task module, in a process that may do nothing. */
function main(library: string, task: string, runFlags: readonly string[] = []): string {
  return `
    import { ProcessWorker } from "${library}/src/isolation/process_worker.ts";
    const worker = new ProcessWorker(new URL("${task}", import.meta.url).href, {
      permissions: "none",
      runFlags: ${JSON.stringify(runFlags)},
    });
    await worker.ready;
    const nothing = { kind: "value", value: {} };
    console.log(await worker.run({
      body: new Uint8Array(),
      exchange: "",
      routingKey: "",
      redelivered: false,
      properties: nothing,
      headers: nothing,
    }));
    await worker.end();`;
}

/** It works only where what it imports was found, and tells whether it is the main module. */
const TASK = `
  import { defineTask, MessageStatus } from "lapinmq/task";
  import { status } from "./folder/status.ts";
  if (import.meta.main) console.log("It is the main module");
  export default defineTask(() => MessageStatus[status]);`;
const STATUS = `export const status: string = "SUCCESS";`;
const DONE = `{ kind: "ack" }\n`;
function assertDone({ stdout, stderr }: Written): void {
  assertEquals(stdout, DONE, stderr);
}

Deno.test("A process finds what a local module imports, by the deno.json beside the program", async () => {
  await using app = await folder({
    "deno.json": config(LIBRARY),
    "main.ts": main(LIBRARY, "./task.ts"),
    "task.ts": TASK,
    "folder/status.ts": STATUS,
  });
  await using elsewhere = await folder({});
  assertDone(await runDeno(["run", "-A", `${app.path}/main.ts`], { cwd: elsewhere.path }));
});

Deno.test("A process takes the configuration that taskRunFlags name", async () => {
  await using app = await folder({
    "main.ts": main(LIBRARY, "./task.ts", ["--config=other.json"]),
    "task.ts": TASK,
    "folder/status.ts": STATUS,
    "other.json": config(LIBRARY),
  });
  assertDone(await runDeno(["run", "-A", "main.ts"], { cwd: app.path }));
});

Deno.test("A process leaves the lock file as it is", async () => {
  await using app = await folder({
    "deno.json": config(LIBRARY),
    "main.ts": main(LIBRARY, "./task.ts"),
    "task.ts": TASK,
    "folder/status.ts": STATUS,
    "deno.lock": `{ "version": "5" }`,
  });
  assertDone(await runDeno(["run", "-A", "main.ts"], { cwd: app.path }));
  assertEquals(await Deno.readTextFile(`${app.path}/deno.lock`), `{ "version": "5" }`);
});

Deno.test("A process runs a task module that is served over http", async () => {
  await using app = await folder({
    "task.ts": TASK.replace("lapinmq/task", "/src/task.ts"),
    "folder/status.ts": STATUS,
  });
  await Deno.symlink(`${ROOT}src`, `${app.path}/src`);
  const server = serve(app.path);
  {
    await using worker = await startedProcess(`${server.origin}/task.ts`, { permissions: "none" });
    assertEquals(await worker.run(wireMessage({})), { kind: "ack" });
  }
  await server.shutdown();
});

Deno.test("A process works with a library that is imported over http, and from the cache alone", async () => {
  const server = serve(ROOT);
  await using app = await folder({
    "deno.json": config(server.origin),
    "main.ts": main(server.origin, "./task.ts"),
    "cached.ts": main(server.origin, "./task.ts", ["--cached-only"]),
    "task.ts": TASK,
    "folder/status.ts": STATUS,
  });
  const { host } = new URL(server.origin);
  const options = { cwd: app.path, environment: { DENO_DIR: `${app.path}/cache` } };
  const run = (...args: string[]) =>
    runDeno([...args.slice(0, 1), "--quiet", `--allow-import=${host}`, ...args.slice(1)], options);
  assertDone(await run("run", "--allow-run", "--allow-env", "main.ts"));

  await Deno.remove(`${app.path}/cache`, { recursive: true });
  const { code, stderr } = await run("cache", "main.ts");
  assertEquals(code, 0, stderr);
  await server.shutdown();
  for (const program of ["main.ts", "cached.ts"]) {
    assertDone(await run("run", "--cached-only", "--allow-run", "--allow-env", program));
  }
});
