import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ConfigurationError, Consumer, MessageStatus, Publisher, run } from "../../mod.ts";
import { broker, connectionForTest, notOurs, openAtBroker } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { program } from "../support/program.ts";
import { startProxy } from "../support/proxy.ts";
import { topology } from "../support/topology.ts";

/** A service whose tasks take the time that its messages say. */
const service = (queue: string, more = "") => `
  import { Consumer, MessageStatus, run } from "../../mod.ts";
  const result = await run({
    consumers: [new Consumer({
      queueName: ${JSON.stringify(queue)},
      taskFunction: async (message) => {
        console.log("begun " + message.text());
        await new Promise((resolve) => setTimeout(resolve, Number(message.text())));
        console.log("done");
        return MessageStatus.SUCCESS;
      },
    })],
    ${more}
  });
  console.log(JSON.stringify(result));
`;

Deno.test("run drains at SIGTERM and ends the program with 0", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["500"]);
  await using running = await program(service(queue));
  await running.waitFor("begun 500");
  running.kill("SIGTERM");
  assertEquals((await running.ended).code, 0, running.output.stderr);
  assertStringIncludes(running.output.stdout, "done");
  assertStringIncludes(running.output.stdout, `"reason":"signal","exitCode":0`);
  assertEquals(await made.count(queue), 0);
});

Deno.test("run ends the program with 1 where a task is given up, and its message goes back", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["60000"]);
  await using running = await program(service(queue, "timeoutMs: 200,"));
  await running.waitFor("begun 60000");
  running.kill("SIGINT");
  await running.waitFor(`"abandoned":1`);
  await made.waitForCount(queue, 1);
  running.kill("SIGKILL"); // The task keeps the program alive, as any timer of a program does.
  assertStringIncludes(running.output.stdout, `"exitCode":1`);
});

Deno.test("run ends the program at once at a second signal", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["60000"]);
  await using running = await program(service(queue));
  await running.waitFor("begun 60000");
  running.kill("SIGTERM");
  // The program shows no sign of the first: it is sent until one of them was the second.
  await eventually("it has ended", async () => {
    try {
      running.kill("SIGTERM");
    } catch {
      return true;
    }
    return await Promise.race([running.ended.then(() => true), Promise.resolve(false)]);
  });
  assertEquals((await running.ended).code, 1);
  await made.waitForCount(queue, 1);
});

Deno.test("run starts publishers first, and stops all when its signal aborts", async () => {
  await using made = await topology();
  const [from, to] = [await made.queue(), await made.queue()];
  await made.fill(from, ["hello"]);
  const connection = connectionForTest();
  const publisher = new Publisher({ connection });
  const controller = new AbortController();
  const consumer = new Consumer({
    connection,
    queueName: from,
    taskFunction: async (message) => {
      await publisher.sendMessageToQueue({ queueName: to, body: message.body });
      controller.abort();
      return MessageStatus.SUCCESS;
    },
  });
  const result = await run({
    publishers: [publisher],
    consumers: [consumer],
    signal: controller.signal,
  });
  assertEquals(result, {
    reason: "aborted",
    exitCode: 0,
    cause: undefined,
    abandoned: 0,
    unconfirmed: 0,
  });
  assertEquals([publisher.health().status, consumer.health().status], ["down", "down"]);
  assertEquals([await made.count(from), await made.count(to)], [0, 1]);
});

Deno.test({
  name: "run stops what has started when one of them cannot start",
  ignore: notOurs,
  fn: async () => {
    await using made = await topology();
    const connectionName = `run.${Deno.pid}`;
    const connection = connectionForTest({ connectionName });
    const publisher = new Publisher({ connection });
    const queueName = made.unused();
    const consumer = new Consumer({
      connection,
      queueName,
      taskFunction: () => MessageStatus.SUCCESS,
    });
    const error = await assertRejects(() =>
      run({ publishers: [publisher], consumers: [consumer] })
    );
    assertStringIncludes((error as Error).message, queueName);
    await eventually(
      "nothing is left open",
      async () => (await openAtBroker(connectionName)).connections.length === 0,
    );
  },
});

Deno.test("run ends with the cause where a consumer gives up", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using proxy = startProxy();
  const { hostname, port } = proxy;
  const { username, password, vhost } = broker;
  const connection = connectionForTest({ hostname, port, username, password, vhost });
  const consumer = new Consumer({
    connection,
    queueName: queue,
    giveUpAfterMs: 200,
    taskFunction: () => MessageStatus.SUCCESS,
  });
  const running = run({ consumers: [consumer] });
  await eventually("it consumes", () => consumer.health().status === "up");
  proxy.refuse();
  proxy.cut();
  const { reason, exitCode, cause } = await running;
  Deno.exitCode = 0; // That of the tests is not to be set.
  assertEquals([reason, exitCode], ["gaveUp", 1]);
  assert(cause !== undefined);
  assertStringIncludes(cause.message, "giveUpAfterMs");
  assertEquals(await consumer.closed, cause);
});

Deno.test("run refuses what it cannot run", async () => {
  const bad: unknown[] = [
    {},
    { consumers: [] },
    { consumers: [{}] },
    { publishers: "all" },
    { consumer: [] },
    { publishers: [new Publisher({ connection: connectionForTest() })], timeoutMs: -1 },
    { publishers: [new Publisher({ connection: connectionForTest() })], osSignals: ["SIGKILL"] },
    ...[0, -1, 0.5, NaN, 2 ** 31, "1", null].flatMap((ms) => [
      { publishers: [new Publisher({ connection: connectionForTest() })], idleMs: ms },
      { publishers: [new Publisher({ connection: connectionForTest() })], maxRunMs: ms },
    ]),
  ];
  for (const options of bad) {
    await assertRejects(() => run(options as Parameters<typeof run>[0]), ConfigurationError);
  }
});
