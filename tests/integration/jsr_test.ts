/** The package as users have it: added from JSR, of which there is a stand-in on this machine. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { broker } from "../support/broker.ts";
import { registry, stdAsync as std, thisPackage } from "../support/jsr.ts";
import { watch } from "../support/program.ts";
import { folder, runDeno } from "../support/small_programs.ts";
import { topology } from "../support/topology.ts";

const TASK = `
  import { defineTask, MessageStatus } from "@lapinmq/lapinmq/task";
  export default defineTask((message) => {
    console.log("heard", message.text());
    return MessageStatus.SUCCESS;
  });`;

/** A service whose arguments are its queue and, for tasks apart, where they run and their module. */
const MAIN = `
  import { Consumer, MessageStatus, Publisher, run } from "@lapinmq/lapinmq";
  const [queueName, isolation, module] = Deno.args;
  const taskFunction = (message) => {
    console.log("heard", message.text());
    return MessageStatus.SUCCESS;
  };
  const place = isolation
    ? { isolation, taskModule: new URL(module, import.meta.url) }
    : { taskFunction };
  const consumer = new Consumer({ queueName, ...place });
  const publisher = new Publisher();
  await publisher.start();
  await publisher.sendMessageToQueue({ queueName, body: "hello" });
  await run({ publishers: [publisher], consumers: [consumer] });`;

/** What the tests share: the registry, and a cache with nothing in it but the packages of npm. */
async function shop() {
  const jsr = await registry();
  const cache = await folder({});
  const { stdout } = await runDeno(["info", "--json"], { cwd: "/" });
  await Deno.symlink(`${JSON.parse(stdout).denoDir}/npm`, `${cache.path}/npm`);
  const environment = { JSR_URL: jsr.url, DENO_DIR: cache.path, RABBITMQ_URL: broker.url };
  const { version, ...whole } = await thisPackage();
  return {
    jsr,
    environment,
    release() {
      jsr.publish("@lapinmq/lapinmq", version, whole);
    },
    /** Runs Deno in a folder; it must succeed. */
    async deno(cwd: string, ...args: string[]): Promise<void> {
      const { code, stdout, stderr } = await runDeno(args, { cwd, environment });
      assertEquals(code, 0, stdout + stderr);
    },
    async [Symbol.asyncDispose]() {
      await jsr[Symbol.asyncDispose]();
      await cache[Symbol.asyncDispose]();
    },
  };
}

/** Runs the service until it has worked on a message, and ends it as a user would. */
async function assertWorks(
  at: { environment: Record<string, string> },
  cwd: string,
  main: string,
  ...args: string[]
): Promise<void> {
  await using made = await topology();
  const queue = await made.queue();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--no-prompt", main, queue, ...args],
    cwd,
    env: { ...at.environment, NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  await using service = watch(child);
  await service.waitFor("heard hello\n");
  service.kill("SIGINT");
  assertEquals((await service.ended).code, 0, service.output.stderr);
  assertEquals(await made.count(queue), 0);
}

/** Serves a task module as any web server would. */
async function webServer(): Promise<{ href: string } & AsyncDisposable> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/typescript" }).end(TASK);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    href: `http://localhost:${(server.address() as AddressInfo).port}/task.ts`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

Deno.test("From JSR: a project adds the package, and tasks run wherever they may", async (t) => {
  await using at = await shop();
  at.jsr.publish("@std/async", "1.0.16", await std("./delay", "./unstable-semaphore"));
  at.release();
  await using app = await folder({ "main.ts": MAIN, "task.ts": TASK });
  await t.step("deno add", async () => {
    await at.deno(app.path, "add", "jsr:@lapinmq/lapinmq");
    const { imports } = JSON.parse(await Deno.readTextFile(`${app.path}/deno.json`));
    assertMatch(imports["@lapinmq/lapinmq"], /^jsr:@lapinmq\/lapinmq@\^\d/);
  });
  await t.step("a function", () => assertWorks(at, app.path, "main.ts"));
  await using web = await webServer();
  for (const kind of ["thread", "process"]) {
    await t.step(`a ${kind}`, () => assertWorks(at, app.path, "main.ts", kind, "./task.ts"));
    await t.step(
      `a ${kind} with a task module from elsewhere`,
      () => assertWorks(at, app.path, "main.ts", kind, web.href),
    );
  }
  await t.step("a member of a workspace", async () => {
    await using root = await folder({
      "deno.json": `{ "workspace": ["./worker"] }`,
      "worker/deno.json": `{ "name": "@app/worker", "exports": "./main.ts" }`,
      "worker/main.ts": MAIN,
      "worker/task.ts": TASK,
    });
    await at.deno(`${root.path}/worker`, "add", "jsr:@lapinmq/lapinmq");
    await assertWorks(at, root.path, "worker/main.ts", "thread", "./task.ts");
  });
});

Deno.test("From JSR: a project may have locked an @std/async that is too old", async () => {
  await using at = await shop();
  at.jsr.publish("@std/async", "1.0.15", await std("./delay"));
  await using app = await folder({ "main.ts": MAIN });
  await at.deno(app.path, "add", "jsr:@std/async@1");
  const lock = async () => await Deno.readTextFile(`${app.path}/deno.lock`);
  assertStringIncludes(await lock(), "1.0.15");
  at.jsr.publish("@std/async", "1.0.16", await std("./delay", "./unstable-semaphore"));
  at.release();
  await at.deno(app.path, "add", "jsr:@lapinmq/lapinmq");
  assertStringIncludes(await lock(), "1.0.16");
  await assertWorks(at, app.path, "main.ts");
});
