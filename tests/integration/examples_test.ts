import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Channel } from "amqplib";
import { freePort } from "../../tools/broker/ports.ts";
import { environmentFor } from "../../tools/broker/environment.ts";
import { flagsOf } from "../../tools/example.ts";
import { launch, ROOT } from "../../tools/launch.ts";
import { broker } from "../support/broker.ts";
import { type Program, watch } from "../support/program.ts";
import { type Topology, topology } from "../support/topology.ts";

const EXAMPLES = `${ROOT}examples/`;
const CRON_AT_ONCE = "tests/support/cron_at_once.ts";
const MAX_LINES = 40;

/** What an example has to show, once it is started. */
type Check = (example: Program, made: Topology) => Promise<void>;

/** The examples, by name, with the arguments they are given here. */
const CHECKS: Record<string, { args?: string[]; check: Check }> = {
  demo: {
    check: async (example) => {
      await endsByItself(example);
      const { stdout } = example.output;
      assertMatch(stdout, /^12 sent, 12 confirmed, 12 processed in \d+\.\d\d s$/m);
      assertEquals(mostAtATime(stdout), 3);
    },
  },
  send: {
    check: async (example, made) => {
      await endsByItself(example);
      assertMatch(example.output.stdout, /^sent task 10\nsent task 11/m);
      assertEquals(await take(made, "lapinmq.example.tasks"), numbered(11));
    },
  },
  receive: {
    check: async (example, made) => {
      await example.waitFor("waiting for messages in lapinmq.example.tasks");
      await made.fill("lapinmq.example.tasks", numbered(4));
      await waitForAll(example, numbered(4).map((task) => `finished ${task}\n`));
      await endsOn(example, "SIGINT");
      assertEquals(await take(made, "lapinmq.example.tasks"), []);
    },
  },
  bindings: {
    check: async (example) => {
      await waitForAll(example, [
        "received black: a black wall\n",
        "received red: a red wall\n",
        "nobody receives green\n",
        "Ctrl-C ends it\n",
      ]);
      await endsOn(example, "SIGTERM");
    },
  },
  temporary_queues: {
    check: async (example) => {
      await waitForAll(example, [
        "first received info\n",
        "second received info\n",
        "second received warning\n",
        "third received info\n",
        "third received warning\n",
        "third received error\n",
      ]);
      await endsOn(example, "SIGINT");
      assertEquals(example.output.stdout.match(/received/g)?.length, 6);
    },
  },
  consumer_publisher_sync: { check: passesOn },
  consumer_publisher_async: { check: passesOn },
  custom_callback: {
    check: async (example, made) => {
      await waitForAll(example, ["invoiced 5, ", "invoiced 7, ", "invoiced 30, ", "42 in total\n"]);
      await endsOn(example, "SIGTERM");
      assertEquals(await take(made, "lapinmq.example.orders"), []);
      assertEquals((await take(made, "lapinmq.example.invoices")).length, 3);
    },
  },
  long_waits: {
    args: ["4"],
    check: async (example) => {
      await endsByItself(example);
      const { stdout } = example.output;
      assertEquals(stdout.match(/^connected, (publish|consume)$/gm)?.length, 2);
      assertMatch(stdout, /^finished "first"\n(.*\n)*finished "last"\n0 connections were lost/m);
    },
  },
  cpu_worker_thread: { check: countsPrimes },
  cpu_worker_process: { check: countsPrimes },
  graceful_shutdown: {
    check: async (example, made) => {
      await waitForAll(example, ["began task 1\n", "began task 2\n", "began task 3\n"]);
      await endsOn(example, "SIGTERM");
      assertMatch(example.output.stdout, /^3 completed, 7 given back, 0 abandoned$/m);
      const tasks = await take(made, "lapinmq.example.slow_tasks");
      assertEquals(tasks.toSorted(), numbered(20).slice(3).toSorted());
    },
  },
};

/** Those that need a port of their own are started with their second line, for another port. */
const DEPLOYED = ["deploy_worker", "deploy_cron"];
const ITS_ADDRESS = "0.0.0.0:8000";

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `task ${index + 1}`);
}

function mostAtATime(output: string): number {
  let running = 0;
  let most = 0;
  for (const mark of output.match(/[┌└]/g) ?? []) {
    running += mark === "┌" ? 1 : -1;
    most = Math.max(most, running);
  }
  return most;
}

async function waitForAll(example: Program, texts: readonly string[]): Promise<void> {
  for (const text of texts) await example.waitFor(text);
}

async function endsByItself(example: Program): Promise<void> {
  const { code } = await example.ended;
  assertEquals(code, 0, JSON.stringify(example.output));
  assert(!example.output.stderr.includes("lapinmq:"), example.output.stderr);
}

async function endsOn(example: Program, signal: Deno.Signal): Promise<void> {
  example.kill(signal);
  await endsByItself(example);
}

async function countsPrimes(example: Program, made: Topology): Promise<void> {
  await waitForAll(example, [
    "216816 primes below 3000000\n",
    "223492 primes below 3100000\n",
    "230209 primes below 3200000\n",
    "236900 primes below 3300000\n",
  ]);
  await endsOn(example, "SIGTERM");
  assertEquals(await take(made, "lapinmq.example.numbers"), []);
}

async function passesOn(example: Program, made: Topology): Promise<void> {
  await waitForAll(example, ["ONE\n", "TWO\n", "THREE\n", "Ctrl-C ends it\n"]);
  await endsOn(example, "SIGTERM");
  assertEquals(await take(made, "lapinmq.example.source"), []);
  const passedOn = await take(made, "lapinmq.example.destination");
  assertEquals(passedOn.toSorted(), ["ONE", "THREE", "TWO"]);
}

/** The bodies of whatever is in the queue. */
async function take(made: Topology, queue: string): Promise<string[]> {
  return (await made.takeAll(queue)).map(({ content }) => content.toString());
}

/** Deletes what the example declares. The names are those of the examples alone. */
async function clear(channel: Channel, source: string): Promise<void> {
  for (const [, name] of source.matchAll(/"(lapinmq\.example\.\w+)"/g)) {
    await channel.deleteQueue(name);
    await channel.deleteExchange(name);
  }
}

/** Ends an example that did not: a SIGKILL would not reach it through the tasks and tools above it. */
async function end(example: Program): Promise<void> {
  try {
    example.kill("SIGTERM");
  } catch {
    return; // It has ended.
  }
  await example.ended;
}

/** Runs a check of an example on a broker that holds nothing of it, and leaves nothing behind. */
async function run(
  source: string,
  start: () => Deno.ChildProcess,
  check: (example: Program, made: Topology) => Promise<void>,
): Promise<void> {
  await using made = await topology();
  await clear(made.channel, source);
  try {
    await using example = watch(start());
    try {
      await check(example, made);
    } catch (error) {
      await end(example);
      throw error;
    }
  } finally {
    await clear(made.channel, source);
  }
}

const environment = { ...environmentFor(broker), NO_COLOR: "1" };

/** Starts an example as its first line says, word by word. */
function startAsFirstLine(source: string, args: readonly string[]): Deno.ChildProcess {
  const words = source.split("\n")[0].replace(/^\/\/ deno | \[.*\]/g, "").split(" ");
  return new Deno.Command(Deno.execPath(), {
    args: [...words, ...args],
    cwd: ROOT,
    env: environment,
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

for (const [name, { args = [], check }] of Object.entries(CHECKS)) {
  Deno.test(`examples/${name}.ts does what it says, started as its first lines say`, async () => {
    const source = await Deno.readTextFile(`${EXAMPLES}${name}.ts`);
    await run(source, () => startAsFirstLine(source, args), check);
  });
}

/** What starts one of those that are deployed, and where it then answers. */
function deployed(name: string, source: string, ...more: string[]) {
  const address = `127.0.0.1:${freePort()}`;
  assert(source.split("\n")[1].includes(ITS_ADDRESS));
  const flags = flagsOf(source, `${broker.hostname}:${broker.port}`)
    .map((flag) => flag.replace(ITS_ADDRESS, address));
  const start = () =>
    launch(["run", "--no-prompt", ...flags, ...more, `examples/${name}.ts`], {
      environment: { ...environment, DENO_SERVE_ADDRESS: `tcp:${address}` },
      stdout: "piped",
      stderr: "piped",
    });
  return { start, url: `http://${address}` };
}

Deno.test("examples/deploy_worker.ts works on messages and tells how it is doing", async () => {
  const source = await Deno.readTextFile(`${EXAMPLES}deploy_worker.ts`);
  const { start, url } = deployed("deploy_worker", source);
  await run(source, start, async (example, made) => {
    await example.waitFor("working on lapinmq.example.jobs");
    await made.fill("lapinmq.example.jobs", ["resize"]);
    await example.waitFor("received resize\n");
    for (const path of ["/livez", "/readyz"]) {
      const response = await fetch(url + path);
      assertEquals([response.status, await response.json()], [200, { status: "up" }]);
    }
    await endsOn(example, "SIGTERM");
    assertEquals(await take(made, "lapinmq.example.jobs"), []);
  });
});

Deno.test("examples/deploy_cron.ts works on what is there when its time has come, and then goes on waiting", async () => {
  const source = await Deno.readTextFile(`${EXAMPLES}deploy_cron.ts`);
  const { start, url } = deployed("deploy_cron", source, `--preload=${ROOT}${CRON_AT_ONCE}`);
  await run(source, start, async (example, made) => {
    // As the example declares it, which it has not done yet: it is to find work.
    const options = { durable: true, expires: 3_600_000 };
    await made.channel.assertQueue("lapinmq.example.nightly", options);
    await made.fill("lapinmq.example.nightly", numbered(3));
    await waitForAll(example, numbered(3).map((task) => `received ${task}\n`));
    await example.waitFor("the burst ended: idle\n");
    assertEquals(await take(made, "lapinmq.example.nightly"), []);
    const response = await fetch(url);
    assertEquals([response.status, await response.text()], [200, "works once a minute\n"]);
    example.kill("SIGINT");
    await example.ended;
  });
});

Deno.test("examples: each is covered here, is short, and says how to start it", async () => {
  const files = (await Array.fromAsync(Deno.readDir(EXAMPLES)))
    .filter(({ isFile }) => isFile).map(({ name }) => name);
  const covered = [...Object.keys(CHECKS), ...DEPLOYED];
  assertEquals(files.toSorted(), covered.map((name) => `${name}.ts`).toSorted());
  for (const name of covered) {
    const source = await Deno.readTextFile(`${EXAMPLES}${name}.ts`);
    const lines = source.trimEnd().split("\n");
    assert(lines.length <= MAX_LINES, `examples/${name}.ts has ${lines.length} lines`);
    const task = name === "demo" ? "demo" : `example ${name}`;
    assertMatch(lines[0], new RegExp(`^// deno task ${task}( \\[[A-Z]+\\])?$`));
    assertMatch(
      lines[1],
      new RegExp(
        `^// = deno run (--(?:allow|unstable)-[^ ]+ )+examples/${name}\\.ts( \\[[A-Z]+\\])?$`,
      ),
    );
    for (const [, specifier] of source.matchAll(/ from "([^"]+)"/g)) {
      assertMatch(specifier, /^(@lapinmq\/lapinmq|@std\/\w+(\/\w+)?|\.\/support\/\w+\.ts)$/);
    }
  }
});
