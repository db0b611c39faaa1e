/** The least permissions with which a program publishes and consumes. */

import { assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { broker } from "../support/broker.ts";
import { program } from "../support/program.ts";
import { topology } from "../support/topology.ts";

const ADDRESS = `${broker.hostname}:${broker.port}`;
const VARIABLES = ["HOST", "PORT", "USERNAME", "PASSWORD", "VHOST", "URL"]
  .map((name) => `RABBITMQ_${name}`);
const NET = `--allow-net=${ADDRESS}`;
const ENV = `--allow-env=${VARIABLES.join(",")}`;

/** Publishes to the queue and consumes from it, waits for the end, and stops in order. */
function exchangeOneMessage(queueName: string, options = ""): string {
  return `
    import { Connection, Consumer, MessageStatus, Publisher, waitForShutdown }
      from "@lapinmq/lapinmq";
    const connection = new Connection({ ${options} });
    const done = new AbortController();
    const publisher = new Publisher({ connection });
    const consumer = new Consumer({
      connection,
      queueName: "${queueName}",
      taskFunction: (message) => {
        console.log("received", message.text());
        done.abort();
        return MessageStatus.SUCCESS;
      },
    });
    await publisher.start();
    await consumer.start();
    await publisher.sendMessageToQueue({ queueName: "${queueName}", body: "hello" });
    await waitForShutdown({ signal: done.signal });
    await connection.close();
  `;
}

async function run(source: string, flags: readonly string[], environment = {}) {
  await using running = await program(source, { flags, environment });
  const { code } = await running.ended;
  return { code, ...running.output };
}

const HEARD = { code: 0, stdout: "received hello\n", stderr: "" };
const { hostname, port, username, password, vhost } = broker;
const explicit = Object.entries({ hostname, port, username, password, vhost })
  .map(([name, value]) => `${name}: ${JSON.stringify(value)}`).join(", ");

Deno.test("A program publishes and consumes with --allow-net=HOST:PORT and --allow-env of the variables alone", async () => {
  await using made = await topology();
  const queueName = await made.queue();
  assertEquals(await run(exchangeOneMessage(queueName), [NET, ENV]), HEARD);
  assertEquals(await made.count(queueName), 0);
});

Deno.test("A program needs no permission for the environment where it gives all options itself", async () => {
  await using made = await topology();
  const queueName = await made.queue();
  assertEquals(await run(exchangeOneMessage(queueName, explicit), [NET]), HEARD);
});

Deno.test("A program without permission for the environment gets the defaults", async () => {
  const source = `
    import { Connection } from "@lapinmq/lapinmq";
    const connection = new Connection();
    connection.health();
    console.log("made");
  `;
  assertEquals(await run(source, []), { code: 0, stdout: "made\n", stderr: "" });
});

Deno.test("start() names --allow-env where RABBITMQ_HOST may not be read", async () => {
  const source = `
    import { Connection, Publisher } from "@lapinmq/lapinmq";
    const connection = new Connection({ logger: null });
    try {
      await new Publisher({ connection }).start();
    } catch (error) {
      console.log(error.message);
    }
  `;
  const { stdout } = await run(source, []);
  assertStringIncludes(stdout, "localhost:5672 (by default, as RABBITMQ_HOST may not be read");
  assertStringIncludes(stdout, "--allow-env");
});

Deno.test("start() without --allow-net fails at once, and names the flag", async () => {
  const source = `
    import { Publisher, Connection } from "@lapinmq/lapinmq";
    const connection = new Connection({ ${explicit}, logger: null });
    const publisher = new Publisher({ connection });
    try {
      await publisher.start();
    } catch (error) {
      console.log(error.name, error.code, error.message);
    }
  `;
  const { code, stdout, stderr } = await run(source, []);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertStringIncludes(stdout, "ConnectionError PERMISSION");
  assertStringIncludes(stdout, NET);
});

Deno.test("start() without --allow-net that nobody catches ends the program, and shows no password", async () => {
  const secret = "very-secret-indeed";
  const source = `
    import { Connection, Publisher } from "@lapinmq/lapinmq";
    const url = "amqp://${username}:${secret}@${ADDRESS}";
    await new Publisher({ connection: new Connection({ url }) }).start();
  `;
  const { code, stdout, stderr } = await run(source, []);
  assertEquals(code, 1);
  assertStringIncludes(stderr, NET);
  assertEquals((stdout + stderr).includes(secret), false);
});

Deno.test("A worker thread without permissions beyond the net publishes and consumes", async () => {
  await using made = await topology();
  const queueName = await made.queue();
  const source = `
    if (globalThis.WorkerGlobalScope === undefined) {
      const worker = new Worker(import.meta.url, {
        type: "module",
        deno: { permissions: { net: [${JSON.stringify(ADDRESS)}] } },
      });
      worker.onmessage = () => worker.terminate();
    } else {
      const { Connection, Publisher, waitForSigterm } = await import("@lapinmq/lapinmq");
      const connection = new Connection({ ${explicit} });
      const publisher = new Publisher({ connection });
      await publisher.start();
      await publisher.sendMessageToQueue({ queueName: "${queueName}", body: "from a worker" });
      await waitForSigterm(1);
      await connection.close();
      postMessage("done");
    }
  `;
  const { code, stderr } = await run(source, ["--allow-all", "--unstable-worker-options"]);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertEquals((await made.take(queueName)).content.toString(), "from a worker");
});

Deno.test("The program of these tests fails where a permission is missing", async () => {
  // Shows that --no-prompt and the flags hold: otherwise the tests above would prove nothing.
  const { code, stderr } = await run(`Deno.readTextFileSync("deno.json")`, [NET, ENV]);
  assertNotEquals(code, 0);
  assertStringIncludes(stderr, "NotCapable");
});
