import { assertEquals, assertMatch } from "@std/assert";
import { Consumer, type ConsumerEventMap } from "../../mod.ts";
import { connectionForTest } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { KINDS, moduleOf } from "../support/isolation.ts";
import { program } from "../support/program.ts";
import { recordingLogger } from "../support/recording_logger.ts";
import { topology } from "../support/topology.ts";

Deno.test("Consumer takes a task that ends as its signal aborts for one that was ended, not failed", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["message"]);
  const { logger, lines } = recordingLogger();
  await using connection = connectionForTest({ logger });
  const failed: ConsumerEventMap["taskfailed"][] = [];
  let began = false;
  const consumer = new Consumer({
    connection,
    queueName: queue,
    taskFunction: ({ signal }) => {
      began = true;
      return new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason))
      );
    },
  });
  consumer.addEventListener("taskfailed", ({ detail }) => failed.push(detail));
  await consumer.start();
  await eventually("the task runs", () => began);
  assertEquals((await consumer.stop({ timeoutMs: 0 })).abandoned, 1);
  await made.waitForCount(queue, 1);
  assertEquals(failed, []);
  assertEquals(lines.filter(({ level }) => level === "warn" || level === "error"), []);
});

Deno.test("A listener of message.signal that throws ends no program, and is told of", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["message"]);
  const source = `
    import { Connection, Consumer, MessageStatus } from "@lapinmq/lapinmq";
    const connection = new Connection({ logger: null });
    const began = Promise.withResolvers<void>();
    const consumer = new Consumer({
      connection,
      queueName: Deno.env.get("QUEUE")!,
      taskFunction: async ({ signal }) => {
        const end = Promise.withResolvers<void>();
        signal.addEventListener("abort", () => { throw new RangeError("the listener"); });
        signal.addEventListener("abort", () => end.resolve());
        began.resolve();
        await end.promise;
        return MessageStatus.FAIL_RETRY_LATER;
      },
    });
    consumer.addEventListener("error", ({ detail }) => console.log(detail.message, String(detail.error)));
    await consumer.start();
    await began.promise;
    await consumer.stop({ timeoutMs: 0 });
    await connection.close();
    console.log("last line");
  `;
  await using running = await program(source, { environment: { QUEUE: queue } });
  assertEquals((await running.ended).code, 0);
  assertEquals(running.output, {
    stdout: 'a listener of "message.signal" threw RangeError: the listener\nlast line\n',
    stderr: "",
  });
});

for (const kind of KINDS) {
  Deno.test(`A listener of message.signal that throws in a ${kind} ends nothing, and is told of`, async () => {
    await using made = await topology();
    const queue = await made.queue();
    await made.fill(queue, ["message"]);
    await using connection = connectionForTest({ logger: null });
    const consumer = new Consumer({
      connection,
      queueName: queue,
      taskModule: moduleOf(`
        import { defineTask, MessageStatus } from TASK;
        export default defineTask(({ signal }) => new Promise((resolve) => {
          signal.addEventListener("abort", () => { throw new RangeError("the listener"); });
          signal.addEventListener("abort", () => setTimeout(() => resolve(MessageStatus.SUCCESS)));
        }));`),
      isolation: kind,
      taskTimeoutMs: 10,
      taskGraceMs: 60_000,
    });
    const told: ConsumerEventMap["error"][] = [];
    let failures = 0;
    consumer.addEventListener("error", ({ detail }) => told.push(detail));
    consumer.addEventListener("taskfailed", () => failures++);
    await consumer.start();
    await eventually("it is told of", () => told.length === 1);
    assertMatch(String(told[0].error), /the listener/);
    assertEquals(told[0].message, 'a listener of "message.signal" threw');
    const { completed } = await consumer.stop();
    assertEquals([failures, await made.count(queue)], [0, 0]);
    assertEquals(completed <= 1, true);
  });
}
