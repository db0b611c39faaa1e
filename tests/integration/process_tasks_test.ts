/** Tasks in processes of their own: what only a process can do. */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ConfigurationError, Consumer, type ConsumerEventMap } from "../../mod.ts";
import { connectionForTest } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { program } from "../support/program.ts";
import { recordingLogger } from "../support/recording_logger.ts";
import { dataModule, isThere, taskProcesses } from "../support/task_processes.ts";
import { topology } from "../support/topology.ts";

/** Does what its message says. */
const OBEYS = dataModule(`
  const log = (text) => console.log(text + " in " + Deno.pid);
  export default defineTask(async (message) => {
    const text = message.text();
    if (text === "busy") { log("busy"); while (true); }
    if (text === "allocate") { const all = []; while (true) all.push(new Array(100_000).fill({})); }
    if (text === "obey") {
      await new Promise((resolve) => message.signal.addEventListener("abort", resolve));
      return MessageStatus.FAIL_DO_NOT_RETRY;
    }
    if (text === "pid") throw new Error(String(Deno.pid));
    return MessageStatus.SUCCESS;
  });`);

/** Collects the failures of a consumer, as `OUTCOME MESSAGE`. */
function failuresOf(consumer: Consumer): string[] {
  const failures: string[] = [];
  consumer.addEventListener(
    "taskfailed",
    ({ detail }: CustomEvent<ConsumerEventMap["taskfailed"]>) => {
      failures.push(`${detail.outcome} ${detail.error.message}`);
    },
  );
  return failures;
}

Deno.test("A process whose task overruns is killed and replaced, and the message is retried", async () => {
  await using made = await topology();
  const queueName = await made.queue();
  await using connection = connectionForTest();
  const consumer = new Consumer({
    connection,
    queueName,
    taskModule: OBEYS,
    isolation: "process",
    taskTimeoutMs: 500,
    taskGraceMs: 500,
    retryDelayMs: 60_000,
    prefetch: 10,
  });
  const failures = failuresOf(consumer);
  await consumer.start();
  const [first] = taskProcesses();
  await made.fill(queueName, ["busy", "busy", "done", "obey"]);
  await eventually("two have failed", () => failures.length === 2);
  for (const failure of failures) assertMatch(failure, /^retry The task runs on 500 ms after/);
  assertEquals(consumer.health().status, "up");
  // Only the two that overran are still held.
  await made.fill(queueName, ["pid"]);
  await eventually("the next one is worked on", () => failures.length === 3);
  assert(failures[2] !== `retry ${first}`, failures[2]);
  await consumer.stop();
  assertEquals(taskProcesses(), []);
  assertEquals((await made.takeAll(queueName)).map(({ content }) => `${content}`).toSorted(), [
    "busy",
    "busy",
    "pid",
  ]);
});

Deno.test("A process that runs out of memory costs its message one attempt, and nothing else", async () => {
  await using made = await topology();
  const queueName = await made.queue();
  await using connection = connectionForTest();
  const consumer = new Consumer({
    connection,
    queueName,
    taskModule: OBEYS,
    isolation: "process",
    taskRunFlags: ["--v8-flags=--max-old-space-size=64"],
    retryDelayMs: 60_000,
    workers: 2,
    prefetch: 10,
  });
  const failures = failuresOf(consumer);
  const lost: Error[] = [];
  consumer.addEventListener("channellost", ({ detail }) => lost.push(detail.cause));
  await consumer.start();
  await made.fill(queueName, ["allocate", ...Array(20).fill("done")]);
  await eventually("it has failed", () => failures.length === 1);
  assertMatch(failures[0], /^retry The process of the task was ended by signal .*out of memory/);
  await made.waitForCount(queueName, 0);
  await consumer.stop();
  assertEquals([failures.length, lost, taskProcesses()], [1, [], []]);
  assertEquals((await made.takeAll(queueName)).map(({ content }) => `${content}`), ["allocate"]);
});

Deno.test("A process that is killed while it is idle is replaced, which is told, and costs no message anything", async () => {
  await using made = await topology();
  const queueName = await made.queue();
  const { logger, lines } = recordingLogger();
  await using connection = connectionForTest({ logger });
  const consumer = new Consumer({
    connection,
    queueName,
    taskModule: OBEYS,
    isolation: "process",
    workers: 2,
  });
  const failures = failuresOf(consumer);
  await consumer.start();
  const [killed, other] = taskProcesses();
  Deno.kill(killed, "SIGKILL");
  await eventually("it is replaced", () => {
    const present = taskProcesses();
    return present.length === 2 && present.includes(other) && !present.includes(killed);
  });
  await made.fill(queueName, Array(10).fill("done"));
  await made.waitForCount(queueName, 0);
  // The last may be on their way to a process, and go back.
  const { released, abandoned } = await consumer.stop();
  await made.waitForCount(queueName, released);
  assertEquals([failures, taskProcesses(), abandoned], [[], [], 0]);
  const told = lines.filter(({ level }) => level === "warn").map(({ message }) => message);
  assertEquals(told, [
    `a thread or process of the tasks of queue "${queueName}" has to be replaced`,
  ]);
});

Deno.test("taskPermissions hold for the tasks of a consumer", async () => {
  await using made = await topology();
  const queueName = await made.queue();
  await using connection = connectionForTest();
  const consumer = new Consumer({
    connection,
    queueName,
    taskModule: dataModule(`
      export default defineTask(() => { Deno.readTextFileSync("/etc/hostname"); });`),
    isolation: "process",
    taskPermissions: "none",
    retryDelayMs: 60_000,
  });
  const failures = failuresOf(consumer);
  await consumer.start();
  await made.fill(queueName, ["read"]);
  await eventually("it has failed", () => failures.length === 1);
  assertMatch(failures[0], /^retry Requires read access to "\/etc\/hostname"/);
  await consumer.stop();
});

Deno.test("start() fails where the task module cannot be loaded in a process, and leaves none behind", async () => {
  await using made = await topology();
  const queueName = await made.queue();
  await made.fill(queueName, ["done"]);
  await using connection = connectionForTest();
  const start = async (source: string, taskRunFlags: string[] = []) => {
    const options = { connection, queueName, taskRunFlags, workers: 2 };
    const taskModule = dataModule(source);
    const consumer = new Consumer({ ...options, taskModule, isolation: "process" });
    const error = await assertRejects(() => consumer.start(), ConfigurationError);
    assertEquals(taskProcesses(), []);
    return error;
  };
  const thrown = await start(`throw new RangeError("at load");`);
  assertMatch(thrown.message, /^Cannot load the task module .*: at load/);
  assertEquals((thrown.cause as Error).message, "at load");
  assertMatch((await start("Deno.exit(7);")).message, /ended with code 7 before it was loaded/);
  assertMatch((await start("export default 1;")).message, /defineTask/);
  assertMatch((await start("", ["--no-such-flag"])).message, /ended with code 1/);
  assertEquals(await made.count(queueName), 1);
});

const SERVICE = (options: string) => `
  import { Consumer, run } from "@lapinmq/lapinmq";
  const result = await run({
    consumers: [
      new Consumer({
        queueName: Deno.env.get("QUEUE"),
        taskModule: ${JSON.stringify(OBEYS)},
        isolation: "process",
        workers: 2,
      }),
    ],
    ${options}
  });
  console.log(JSON.stringify(result));`;

Deno.test("start() says that the program may not run Deno", async () => {
  await using made = await topology();
  const queueName = await made.queue();
  await made.fill(queueName, ["done"]);
  await using service = await program(SERVICE(""), {
    flags: ["--allow-net", "--allow-env"],
    environment: { QUEUE: queueName },
  });
  assertEquals((await service.ended).code, 1);
  assertMatch(service.output.stderr, /ConfigurationError: .* run it with --allow-run=\//);
  assertEquals(await made.count(queueName), 1);
});

Deno.test("A service with busy processes stops by its deadline, and leaves none behind", async () => {
  await using made = await topology();
  const queueName = await made.queue();
  await made.fill(queueName, ["busy", "busy"]);
  await using service = await program(SERVICE("timeoutMs: 500"), {
    environment: { QUEUE: queueName },
  });
  const pids = await eventually("both are busy", () => {
    const found = pidsIn(service.output.stdout);
    return found.length === 2 && found;
  });
  service.kill("SIGTERM");
  assertEquals((await service.ended).code, 1);
  assertMatch(service.output.stdout, /"abandoned":2/);
  for (const pid of pids) await eventually(`process ${pid} is gone`, () => !isThere(pid));
  await made.waitForCount(queueName, 2);
});

function pidsIn(text: string): number[] {
  return [...text.matchAll(/ in (\d+)/g)].map(([, pid]) => Number(pid));
}

Deno.test("Ctrl-C, which every process gets, lets the tasks in processes finish", async () => {
  await using made = await topology();
  const queueName = await made.queue();
  await made.fill(queueName, ["one", "two"]);
  const gate = await Deno.makeTempFile();
  const task = dataModule(`
    export default defineTask(async (message) => {
      console.log("begun " + message.text() + " in " + Deno.pid);
      while (Deno.statSync(${
    JSON.stringify(gate)
  }).size === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      console.log("done " + message.text());
      return MessageStatus.SUCCESS;
    });`);
  await using service = await program(
    SERVICE("").replace(JSON.stringify(OBEYS), JSON.stringify(task)),
    {
      environment: { QUEUE: queueName },
    },
  );
  await service.waitFor("begun one");
  await service.waitFor("begun two");
  for (const pid of pidsIn(service.output.stdout)) Deno.kill(pid, "SIGINT");
  service.kill("SIGINT");
  await Deno.writeTextFile(gate, "open");
  assertEquals((await service.ended).code, 0, service.output.stderr);
  assertMatch(service.output.stdout, /done one[^]*done two|done two[^]*done one/);
  assertMatch(service.output.stdout, /"abandoned":0/);
  await Deno.remove(gate);
  assertEquals(await made.count(queueName), 0);
});
