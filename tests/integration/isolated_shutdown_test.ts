/** Programs whose tasks run in threads or processes, and how they end. */

import { assert, assertEquals } from "@std/assert";
import { knownArguments } from "../../tools/deno.ts";
import { broker, connectionForTest } from "../support/broker.ts";
import { isolatedConsumer, KINDS, moduleOf, noneLeft } from "../support/isolation.ts";
import { program } from "../support/program.ts";
import { folder } from "../support/small_programs.ts";
import { topology } from "../support/topology.ts";

const MODULE = moduleOf(`
  import { defineTask, MessageStatus } from TASK;
  export default defineTask((message) => {
    console.log("begun");
    const end = Date.now() + Number(message.text());
    while (Date.now() < end);
    console.log("computed");
    return MessageStatus.SUCCESS;
  });
`);

/** Runs the task until SIGTERM, for so long at most. */
const WORKER = (kind: string, timeoutMs: number) => `
  import { Consumer, run } from "@lapinmq/lapinmq";
  const consumer = new Consumer({
    queueName: Deno.env.get("QUEUE")!,
    workers: 2,
    taskModule: ${JSON.stringify(MODULE)},
    isolation: "${kind}",
  });
  const { abandoned } = await run({ consumers: [consumer], timeoutMs: ${timeoutMs} });
  console.log(abandoned + " abandoned");
`;

for (const kind of KINDS) {
  Deno.test(`SIGTERM while each ${kind} computes: the drain waits for them`, async () => {
    await using made = await topology();
    const queue = await made.queue();
    await made.fill(queue, ["2500", "2500"]);
    await using worker = await program(WORKER(kind, 20_000), { environment: { QUEUE: queue } });
    await worker.waitFor("begun\nbegun\n");
    worker.kill("SIGTERM");
    assertEquals((await worker.ended).code, 0);
    assertEquals(worker.output, {
      stdout: "begun\nbegun\ncomputed\ncomputed\n0 abandoned\n",
      stderr: "",
    });
    assertEquals(await made.count(queue), 0);
  });

  Deno.test(`SIGTERM while each ${kind} computes for ever: the program ends at its deadline by itself`, async () => {
    await using made = await topology();
    const queue = await made.queue();
    await made.fill(queue, ["1000000", "1000000"]);
    await using worker = await program(WORKER(kind, 500), { environment: { QUEUE: queue } });
    await worker.waitFor("begun\nbegun\n");
    const askedAt = performance.now();
    worker.kill("SIGTERM");
    assertEquals((await worker.ended).code, 1);
    // Only to tell it from one that ends with its tasks.
    assert(performance.now() - askedAt < 30_000);
    assertEquals(worker.output, { stdout: "begun\nbegun\n2 abandoned\n", stderr: "" });
    await made.waitForCount(queue, 2);
  });
}

for (const kind of KINDS) {
  Deno.test(`An error that nobody caught in a ${kind} is told to the program, and printed by nobody else`, async () => {
    await using made = await topology();
    const queue = await made.queue();
    await made.fill(queue, ["x"]);
    const module = moduleOf(`
      import { defineTask } from TASK;
      export default defineTask(() => new Promise(() => {
        setTimeout(() => { throw new RangeError("nobody"); });
      }));`);
    const source = `
      import { Connection, Consumer } from "@lapinmq/lapinmq";
      const connection = new Connection({ logger: null });
      const consumer = new Consumer({
        connection,
        queueName: Deno.env.get("QUEUE")!,
        taskModule: ${JSON.stringify(module)},
        isolation: "${kind}",
        retryDelayMs: 60_000,
      });
      const failed = Promise.withResolvers<Error>();
      consumer.addEventListener("taskfailed", ({ detail }) => failed.resolve(detail.error));
      await consumer.start();
      console.log(String((await failed.promise).cause));
      await consumer.stop();
      await connection.close();
    `;
    await using running = await program(source, { environment: { QUEUE: queue } });
    assertEquals((await running.ended).code, 0);
    assertEquals(running.output, { stdout: "RangeError: nobody\n", stderr: "" });
    await made.waitForCount(queue, 1);
  });
}

Deno.test("A program ends by itself although a thread that it has abandoned computes on", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["1000000"]);
  const source = `
    import { Connection, Consumer } from "@lapinmq/lapinmq";
    const connection = new Connection({ logger: null });
    const consumer = new Consumer({
      connection,
      queueName: Deno.env.get("QUEUE")!,
      taskModule: ${JSON.stringify(MODULE)},
      taskTimeoutMs: 100,
      taskGraceMs: 100,
    });
    const failed = Promise.withResolvers<void>();
    consumer.addEventListener("taskfailed", () => failed.resolve());
    await consumer.start();
    await failed.promise;
    console.log(consumer.health().status);
    await consumer.stop();
    console.log(JSON.stringify(await consumer.stop()));
    await connection.close();
    console.log("last line");
  `;
  await using running = await program(source, { environment: { QUEUE: queue } });
  assertEquals((await running.ended).code, 0);
  assertEquals(running.output.stderr, "");
  assert(running.output.stdout.endsWith("last line\n"));
  await made.waitForCount(queue, 1);
});

for (const kind of KINDS) {
  Deno.test(`A publisher that the task has made in its ${kind} sends what is left before that ends`, async () => {
    await using made = await topology();
    const [queue, results] = [await made.queue(), await made.queue()];
    await using connection = connectionForTest();
    const [, , config] = knownArguments(["run"]) ?? [];
    const consumer = isolatedConsumer(kind, {
      connection,
      queueName: queue,
      ...(kind === "process" && config ? { taskRunFlags: [`--config=${config}`] } : {}),
      taskModule: moduleOf(`
        import { defineTask, MessageStatus } from TASK;
        import { Connection, Publisher } from ${
        JSON.stringify(new URL("../../mod.ts", import.meta.url))
      };
        const connection = new Connection({ url: ${JSON.stringify(broker.url)}, logger: null });
        // One at a time, so that most are left when the task returns.
        const publisher = new Publisher({ connection, kind: "sync", onSendFailure: () => {} });
        await publisher.start();
        export default defineTask(async (message) => {
          while (await Deno.stat(message.text()).catch(() => "not yet") === "not yet");
          for (let nth = 0; nth < 5; nth++) {
            publisher.sendMessageToQueue({ queueName: ${JSON.stringify(results)}, body: "result" });
          }
          return MessageStatus.SUCCESS;
        });`),
    });
    await consumer.start();
    await using temporary = await folder({});
    const file = `${temporary.path}/stopping`;
    await made.fill(queue, [file]);
    await made.waitForCount(queue, 0);
    const stopping = consumer.stop();
    await Deno.writeTextFile(file, "");
    assertEquals((await stopping).abandoned, 0);
    await made.waitForCount(results, 5);
    await noneLeft();
  });
}
