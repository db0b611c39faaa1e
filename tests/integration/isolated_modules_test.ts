/** Where the library and the task module come from, and what a thread has to be allowed. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { broker } from "../support/broker.ts";
import { KINDS, moduleOf } from "../support/isolation.ts";
import { graphOf, loadedWith } from "../support/module_graph.ts";
import { folder, LIBRARY, runDeno, type Written } from "../support/small_programs.ts";
import { topology } from "../support/topology.ts";
import { ROOT } from "../../tools/launch.ts";

/** Serves the repository, and what is in the folder besides, as a registry of modules would. */
function serve(root: string): { origin: string; requests: number } & AsyncDisposable {
  const served = { origin: "", requests: 0 };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    served.requests++;
    const { pathname } = new URL(request.url);
    for (const from of [root, ROOT.slice(0, -1)]) {
      const text = await Deno.readTextFile(from + pathname).catch(() => undefined);
      if (text === undefined) continue;
      return new Response(text, { headers: { "content-type": "application/typescript" } });
    }
    return new Response(null, { status: 404 });
  });
  served.origin = `http://127.0.0.1:${server.addr.port}`;
  return Object.assign(served, { [Symbol.asyncDispose]: () => server.shutdown() });
}

/** Works on one message with the task module, and says how it ended. */
const MAIN = (library: string, module: string, more: string) => `
  import { Connection, Consumer } from ${JSON.stringify(`${library}/mod.ts`)};
  const connection = new Connection({ url: ${JSON.stringify(broker.url)}, logger: null });
  const consumer = new Consumer({
    connection,
    queueName: Deno.args[0],
    taskModule: new URL(${JSON.stringify(module)}, import.meta.url),
    ${more}
  });
  const failed = Promise.withResolvers<void>();
  consumer.addEventListener("taskfailed", ({ detail }) => {
    console.log(detail.error);
    failed.resolve();
  });
  try {
    await consumer.start();
    await Promise.race([failed.promise, new Promise((resolve) => setTimeout(resolve, 500))]);
  } catch (error) {
    console.log(error.name + ": " + error.message);
  }
  await consumer.stop();
  await connection.close();
`;

const TASK = (library: string) => `
  import { defineTask, MessageStatus } from ${JSON.stringify(`${library}/src/task.ts`)};
  import { word } from "./folder/word.ts";
  export default defineTask((message) => {
    console.log(word, message.text());
    return MessageStatus.SUCCESS;
  });`;
const WORD = `export const word: string = "heard";`;

/** What the bare names in the library stand for. */
function config(library: string): string {
  const std = `${library}/tools/offline/std/async`;
  return JSON.stringify({
    imports: {
      amqplib: "npm:amqplib@2.3.1",
      "@std/async/delay": `${std}/delay.ts`,
      "@std/async/unstable-semaphore": `${std}/unstable_semaphore.ts`,
    },
  });
}

const ADDRESS = `${broker.hostname}:${broker.port}`;

async function denoDir(): Promise<string> {
  const { stdout } = await runDeno(["info", "--json"], { cwd: "/" });
  return JSON.parse(stdout).denoDir;
}

function assertHeard({ code, stdout, stderr }: Written): void {
  assertEquals({ code, stdout, stderr }, { code: 0, stdout: "heard hello\n", stderr: "" });
}

for (const kind of KINDS) {
  Deno.test(`A ${kind} works with a library that is imported over http, and from the cache alone`, async () => {
    await using made = await topology();
    const queue = await made.queue();
    await using app = await folder({ "remote/folder/word.ts": WORD, "folder/word.ts": WORD });
    const options = { cwd: app.path, environment: { DENO_DIR: `${app.path}/cache` } };
    // A cache with nothing in it but the packages of npm.
    await Deno.mkdir(`${app.path}/cache`);
    await Deno.symlink(`${await denoDir()}/npm`, `${app.path}/cache/npm`);
    const write = (name: string, text: string) => Deno.writeTextFile(`${app.path}/${name}`, text);
    const flags = [
      `--allow-net=${ADDRESS}`,
      "--allow-env",
      ...(kind === "thread" ? [`--allow-read=${app.path}`] : ["--allow-run"]),
    ];
    let host = "";
    const run = async (command: string, ...args: string[]) => {
      await made.fill(queue, ["hello"]);
      const imports = `--allow-import=${host}`;
      const result = await runDeno([command, "--quiet", imports, ...args, queue], options);
      assertEquals((await made.takeAll(queue)).length, command === "run" ? 0 : 1, result.stderr);
      return result;
    };
    let asked = 0;
    {
      await using server = serve(`${app.path}/remote`);
      host = new URL(server.origin).host;
      await write("deno.json", config(server.origin));
      await write("remote/task.ts", TASK(server.origin));
      await write("task.ts", TASK(server.origin));
      const cached = kind === "process" ? `, taskRunFlags: ["--cached-only"]` : "";
      const more = `isolation: "${kind}"${cached}`;
      await write("main.ts", MAIN(server.origin, "./task.ts", more));
      await write(
        "remote.ts",
        MAIN(server.origin, `${server.origin}/task.ts`, `isolation: "${kind}"`),
      );
      const { code, stderr } = await runDeno(
        ["cache", "--quiet", `--allow-import=${host}`, "main.ts"],
        options,
      );
      assertEquals([code, stderr], [0, ""]);
      asked = server.requests;
      assertHeard(await run("run", "--cached-only", ...flags, "main.ts"));
      assertEquals(server.requests, asked, "it was all in the cache");
      // A task module that is served itself.
      assertHeard(await run("run", ...flags, "remote.ts"));
    }
    assertHeard(await run("run", "--cached-only", ...flags, "main.ts"));
  });

  Deno.test(`A ${kind} runs a task module that is a data: URL`, async () => {
    await using made = await topology();
    const queue = await made.queue();
    await made.fill(queue, ["hello"]);
    const module = moduleOf(`
      import { defineTask } from TASK;
      export default defineTask((message) => {
        console.log("heard", message.text());
        return "SUCCESS";
      });`);
    await using app = await folder({
      "deno.json": config(LIBRARY),
      "main.ts": MAIN(LIBRARY, module, `isolation: "${kind}"`),
    });
    assertHeard(await runDeno(["run", "-A", "--quiet", "main.ts", queue], { cwd: app.path }));
  });
}

Deno.test("A thread needs --allow-read for the local modules that it loads, and start() names the flag", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["hello"]);
  await using app = await folder({
    "deno.json": config(LIBRARY),
    "main.ts": MAIN(LIBRARY, "./task.ts", ""),
    "task.ts": TASK(LIBRARY),
    "folder/word.ts": WORD,
  });
  const net = `--allow-net=${ADDRESS}`;
  const run = (...flags: string[]) =>
    runDeno(["run", "--quiet", "--no-prompt", net, "--allow-env", ...flags, "main.ts", queue], {
      cwd: app.path,
    });
  const sources = `${ROOT}src`;
  for (
    const [flags, missing] of [
      [[], `${ROOT}src/isolation/thread_entry.ts`],
      [[`--allow-read=${sources}`], `${app.path}/task.ts`],
      [[`--allow-read=${sources},${app.path}/task.ts`], `${app.path}/folder/word.ts`],
    ] as const
  ) {
    const { stdout, stderr } = await run(...flags);
    assertEquals(stderr, "");
    assertStringIncludes(stdout, "ConfigurationError: Cannot ");
    assertStringIncludes(stdout, missing);
    assertStringIncludes(stdout, "--allow-read");
  }
  assertEquals(await made.count(queue), 1);
  assertHeard(await run(`--allow-read=${sources},${app.path}`));
});

Deno.test("A module of a task loads nothing of amqplib", async () => {
  const entry = "src/isolation/thread_entry.ts";
  const modules = [...loadedWith(await graphOf(entry), `${LIBRARY}/${entry}`)];
  assert(modules.length > 10, `${modules.length} modules`);
  const foreign = modules.filter((one) => !one.startsWith(`${LIBRARY}/src/`));
  assertEquals(foreign.toSorted(), ["node:process", "node:worker_threads"]);
  assertEquals(modules.filter((one) => one.includes("/src/amqp/amqplib")), []);
});
