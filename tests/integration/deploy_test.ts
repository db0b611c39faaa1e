/**
 * A worker as Deno Deploy runs it: an HTTP server that is probed, SIGINT, and SIGKILL five seconds
 * later. It is the example, and programs whose tasks take longer than that.
 */

import { assert, assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import { freePort } from "../../tools/broker/ports.ts";
import { ROOT } from "../../tools/launch.ts";
import { Publisher } from "../../mod.ts";
import { broker, connectionForTest } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { moduleOf } from "../support/isolation.ts";
import { type Program, program } from "../support/program.ts";
import { startProxy } from "../support/proxy.ts";
import { type Topology, topology } from "../support/topology.ts";
import { withVariables } from "../support/variables.ts";

/** How long after SIGINT the platform kills a program. */
const KILLED_AFTER_MS = 5_000;

const JOBS = Array.from({ length: 12 }, (_, index) => `job ${index + 1}`);

/** The example, with a queue of its own and a task of half a second. */
async function exampleWith(queue: string): Promise<string> {
  const source = await Deno.readTextFile(`${ROOT}examples/deploy_worker.ts`);
  const changes = [
    [`"lapinmq.example.jobs"`, JSON.stringify(queue)],
    [`workers: 10`, `workers: 2`],
    [`taskFunction: (message) => {`, `taskFunction: async (message) => {`],
    [
      `return MessageStatus.SUCCESS;`,
      `await new Promise((done) => setTimeout(done, 500));
      console.log("done " + message.text() + ".");
      return MessageStatus.SUCCESS;`,
    ],
    [`"./support/topology.ts"`, `"../../examples/support/topology.ts"`],
  ];
  return changes.reduce((text, [from, to]) => {
    assert(text.includes(from), `the example has ${from}`);
    return text.replaceAll(from, to);
  }, source);
}

/** Starts a program as on Deno Deploy, and says where its HTTP server answers. */
async function deploy(source: string, environment: Record<string, string> = {}) {
  const address = `127.0.0.1:${freePort()}`;
  const running = await program(source, {
    environment: { DENO_DEPLOY: "true", DENO_SERVE_ADDRESS: `tcp:${address}`, ...environment },
  });
  return { running, url: `http://${address}` };
}

/** The answer of the program to a probe; `undefined` while nothing listens. */
async function probe(url: string): Promise<number | undefined> {
  try {
    const response = await fetch(url);
    await response.body?.cancel();
    return response.status;
  } catch {
    return undefined;
  }
}

/** What the platform does: SIGINT, five seconds, SIGKILL. Returns whether the program ended by itself. */
async function endAsPlatform(running: Program): Promise<boolean> {
  const killing = new AbortController();
  running.kill("SIGINT");
  const killed = delay(KILLED_AFTER_MS, killing).then(() => false, () => true);
  const endedItself = await Promise.race([running.ended.then(() => true), killed]);
  killing.abort();
  if (!endedItself) running.kill("SIGKILL");
  await running.ended;
  return endedItself;
}

/** Every job was done, or is in the queue; a broker takes a moment to notice that a program is gone. */
async function assertNoneLost(running: Program, made: Topology, queue: string): Promise<string[]> {
  const done = JOBS.filter((job) => running.output.stdout.includes(`done ${job}.\n`));
  const left = new Set<string>();
  await eventually(`every job is done or back; ${done.length} are done`, async () => {
    for (const { content } of await made.takeAll(queue)) left.add(content.toString());
    return JOBS.every((job) => done.includes(job) || left.has(job));
  });
  return [...left];
}

/** A durable queue as the example declares it. */
async function jobs(made: Topology): Promise<string> {
  const queue = await made.queue({ arguments: { "x-expires": 3_600_000 } });
  await made.fill(queue, JOBS);
  return queue;
}

Deno.test("Deno Deploy: at SIGINT a worker finishes what it began, gives back the rest, and ends before SIGKILL", async () => {
  await using made = await topology();
  const queue = await jobs(made);
  const { running, url } = await deploy(await exampleWith(queue));
  await using _ = running;
  await running.waitFor("received job 3\n");
  assertEquals(await Promise.all([probe(`${url}/livez`), probe(`${url}/readyz`)]), [200, 200]);
  assertEquals(await endAsPlatform(running), true);
  assertEquals([(await running.ended).code, running.output.stderr.includes("lapinmq:")], [
    0,
    false,
  ]);
  const left = await assertNoneLost(running, made, queue);
  // None of them twice: each was either finished, or had not begun.
  assertEquals(left.length + running.output.stdout.match(/^done /gm)!.length, JOBS.length);
  assert(left.length > 0, running.output.stdout);
});

Deno.test("Deno Deploy: a worker that is killed at once loses no job", async () => {
  await using made = await topology();
  const queue = await jobs(made);
  const { running } = await deploy(await exampleWith(queue));
  await using _ = running;
  await running.waitFor("received job 3\n");
  running.kill("SIGKILL");
  await running.ended;
  const left = await assertNoneLost(running, made, queue);
  assert(left.length > 0, running.output.stdout);
});

Deno.test("Deno Deploy: a cold start while the broker is away answers at once, is alive and not ready, and works when the broker is there", async () => {
  await using made = await topology();
  const queue = await jobs(made);
  await using proxy = startProxy();
  proxy.refuse();
  const url = new URL(broker.url);
  url.hostname = proxy.hostname;
  url.port = String(proxy.port);
  const deployed = await deploy(await exampleWith(queue), { RABBITMQ_URL: url.href });
  await using running = deployed.running;
  await eventually("it answers", async () => await probe(`${deployed.url}/livez`) === 200);
  assertEquals(await probe(`${deployed.url}/readyz`), 503);
  await running.waitFor("the broker is away");
  assertEquals(await probe(`${deployed.url}/livez`), 200);
  proxy.listen();
  await running.waitFor("done job 1.\n");
  assertEquals(await probe(`${deployed.url}/readyz`), 200);
  // Lost once it worked: the same, and nobody starts anything again.
  proxy.refuse();
  proxy.cut();
  await eventually("it is not ready", async () => await probe(`${deployed.url}/readyz`) === 503);
  assertEquals(await probe(`${deployed.url}/livez`), 200);
  proxy.listen();
  await eventually(
    "every job is done",
    () => JOBS.every((job) => running.output.stdout.includes(`done ${job}.\n`)),
  );
  assertEquals(await endAsPlatform(running), true);
});

Deno.test("Deno Deploy: a worker ends at SIGINT while it waits for the broker", async () => {
  await using made = await topology();
  const queue = await jobs(made);
  await using proxy = startProxy();
  const { username, password, vhost } = broker;
  const source = `
    import { Connection, Consumer, MessageStatus, run } from "@lapinmq/lapinmq";
    const connection = new Connection({
      ...${
    JSON.stringify({ hostname: proxy.hostname, port: proxy.port, username, password, vhost })
  },
      startTimeoutMs: 2 ** 31 - 1,
    });
    connection.addEventListener("reconnecting", () => console.log("away"));
    const consumer = new Consumer({
      connection,
      queueName: ${JSON.stringify(queue)},
      taskFunction: () => MessageStatus.SUCCESS,
    });
    console.log((await run({ consumers: [consumer] })).reason);
  `;
  proxy.refuse();
  const { running } = await deploy(source);
  await using _ = running;
  await running.waitFor("away\n");
  assertEquals(await endAsPlatform(running), true);
  assertEquals((await running.ended).code, 0, JSON.stringify(running.output));
  assert(running.output.stdout.endsWith("signal\n"), running.output.stdout);
});

/** A task that takes longer than the platform waits, and what becomes of it. */
const LONG = `
  console.log("begun");
  message.signal.addEventListener("abort", () => console.log("aborted"));
`;
const TASKS = {
  "honours its signal": `async (message) => {
    ${LONG}
    await new Promise((done, reject) => {
      const timer = setTimeout(done, 20_000);
      message.signal.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(message.signal.reason);
      });
    });
    return MessageStatus.SUCCESS;
  }`,
  "does not honour its signal": `async (message) => {
    ${LONG}
    await new Promise((done) => setTimeout(done, 20_000));
    return MessageStatus.SUCCESS;
  }`,
  computes: `(message) => {
    ${LONG}
    for (const end = Date.now() + 20_000; Date.now() < end;);
    return MessageStatus.SUCCESS;
  }`,
};

/** How a program stops at SIGINT; it listens before its task can have begun. */
const STOPS = {
  run: `const { exitCode } = await run({ consumers: [consumer] }); Deno.exit(exitCode);`,
  stop: `const asked = waitForShutdown();
    await consumer.start(); await asked; await consumer.stop(); Deno.exit(1);`,
  close: `const asked = waitForShutdown();
    await consumer.start(); await asked; await consumer.connection.close(); Deno.exit(1);`,
  "await using": `const asked = waitForShutdown();
    { await using started = consumer; await started.start(); await asked; }
    Deno.exit(1);`,
};

const LONG_TASKS = [
  ["function", "honours its signal", "run"],
  ["function", "honours its signal", "stop"],
  ["function", "does not honour its signal", "run"],
  ["function", "does not honour its signal", "close"],
  ["function", "does not honour its signal", "await using"],
  ["thread", "honours its signal", "run"],
  ["thread", "computes", "close"],
  ["process", "honours its signal", "run"],
  ["process", "computes", "run"],
] as const;

for (const [where, what, how] of LONG_TASKS) {
  Deno.test(`Deno Deploy: a task of 20 s in a ${where} that ${what}: its message is back before SIGKILL (${how})`, async () => {
    await using made = await topology();
    const queue = await made.queue();
    await made.fill(queue, ["x"]);
    const task = where === "function"
      ? `taskFunction: ${TASKS[what].replace("(message)", "(message: Message)")}`
      : `isolation: "${where}", taskModule: ${
        JSON.stringify(moduleOf(
          `import { defineTask, MessageStatus } from TASK; export default defineTask(${
            TASKS[what]
          });`,
        ))
      }`;
    const { running } = await deploy(`
      import { Consumer, type Message, MessageStatus, run, waitForShutdown } from "@lapinmq/lapinmq";
      const consumer = new Consumer({ queueName: ${JSON.stringify(queue)}, ${task} });
      ${STOPS[how]}
    `);
    await using _ = running;
    await running.waitFor("begun\n");
    running.kill("SIGINT");
    const killing = new AbortController();
    let killed = false;
    const kill = delay(KILLED_AFTER_MS, killing).then(() => {
      killed = true;
      running.kill("SIGKILL");
    }, () => {});
    await made.waitForCount(queue, 1);
    assert(!killed, "the message is back before the program is killed");
    const { code } = await running.ended;
    assert(!killed, "the program ends by itself before it is killed");
    killing.abort();
    await kill;
    assertEquals(code, 1);
    // Neither a failure of the task nor of the message.
    assertEquals([running.output.stderr, await made.count(queue)], ["", 1]);
    assertEquals(running.output.stdout.includes("aborted\n"), what !== "computes");
  });
}

Deno.test("Deno Deploy: Publisher.stop waits 4 s for confirms, unless it is told otherwise", async () => {
  using _ = withVariables({ DENO_DEPLOY: "true" });
  await using made = await topology();
  const queue = await made.queue();
  await using proxy = startProxy();
  const { hostname, port } = proxy;
  const { username, password, vhost } = broker;
  const connection = connectionForTest({ hostname, port, username, password, vhost });
  const publishers = [new Publisher({ connection }), new Publisher({ connection })];
  for (const publisher of publishers) await publisher.start();
  proxy.freeze();
  for (const publisher of publishers) {
    publisher.sendMessageToQueue({ queueName: queue, body: "x" }).catch(() => {});
  }
  const [byDefault, told] = publishers;
  // Elsewhere it would wait for 10 s.
  const ended: string[] = [];
  await Promise.all([
    byDefault.stop().then(() => ended.push("by default")),
    told.stop({ timeoutMs: 7_000 }).then(() => ended.push("told")),
  ]);
  assertEquals(ended, ["by default", "told"]);
  await connection.close({ timeoutMs: 0 });
});
