/** Tasks in threads and processes: what crosses, and what becomes of the messages. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Publisher } from "../../mod.ts";
import { broker, connectionForTest } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { isolatedConsumer, KINDS, moduleOf, noneLeft, taskModule } from "../support/isolation.ts";
import { startProxy } from "../support/proxy.ts";
import { topology } from "../support/topology.ts";

async function lines(file: string, count: number): Promise<Record<string, unknown>[]> {
  return await eventually(`${file} has ${count} lines`, async () => {
    const found = (await Deno.readTextFile(file)).trimEnd().split("\n").filter((line) =>
      line !== ""
    );
    return found.length >= count && found.map((line) => JSON.parse(line));
  });
}

for (const kind of KINDS) {
  Deno.test(`A task in a ${kind} sees the message as one in the program does`, async () => {
    await using made = await topology();
    await using connection = connectionForTest();
    const queueName = await made.queue();
    const file = await Deno.makeTempFile();
    await using consumer = isolatedConsumer(kind, {
      connection,
      queueName,
      taskModule: taskModule("noting"),
    });
    await consumer.start();
    await using publisher = new Publisher({ connection });
    await publisher.start();
    for (const size of [0, 3, 1_000, 50_000, 300_000]) {
      await publisher.sendMessageToQueue({
        queueName,
        body: new Uint8Array(size).fill(1),
        type: file,
        messageId: `of ${size}`,
        timestamp: new Date(1_000_000),
        headers: {
          when: new Date(5_000),
          bytes: new Uint8Array([1, 2]),
          nested: { list: [1, "a"] },
        },
      });
      const all = await lines(file, 1);
      assertEquals(all, [{
        bytes: size,
        ownsItsMemory: true,
        plain: true,
        sum: size,
        exchange: "",
        routingKey: queueName,
        redelivered: false,
        properties: {
          contentType: "application/octet-stream",
          deliveryMode: 2,
          messageId: `of ${size}`,
          timestamp: new Date(1_000_000).toISOString(),
          type: file,
        },
        headers: {
          when: new Date(5_000).toISOString(),
          bytes: { 0: 1, 1: 2 },
          nested: { list: [1, "a"] },
        },
        when: true,
        bytesInHeaders: true,
        aborted: false,
        self: "object",
      }]);
      await Deno.writeTextFile(file, "");
    }
    await consumer.stop();
    await noneLeft();
    assertEquals([consumer.told.failures, await made.count(queueName)], [[], 0]);
    await Deno.remove(file);
  });

  Deno.test(`What a task in a ${kind} returns or throws decides what becomes of its message`, async () => {
    await using made = await topology();
    await using connection = connectionForTest();
    const dead = await made.queue();
    const queueName = await made.queue({
      arguments: { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead },
    });
    const retried = ["throw something", "nothing", "callback", "ack", "reject", "rejectRetry"];
    await made.fill(queueName, ["done", "refuse", "json", ...retried]);
    // None of those that are retried comes a second time.
    const consumer = isolatedConsumer(kind, {
      connection,
      queueName,
      workers: 2,
      prefetch: 20,
      retryDelayMs: 60_000,
    });
    await consumer.start();
    await made.waitForCount(dead, 2);
    await eventually("all have failed", () => consumer.told.failures.length === 7);
    assertEquals((await made.takeAll(dead)).map(({ content }) => `${content}`).toSorted(), [
      "json",
      "refuse",
    ]);
    const failures = consumer.told.failures.toSorted();
    const expected = [
      /^reject MessageDecodeError: Cannot read the body of this message as JSON/,
      /^retry LapinmqError: Cannot hand a message to a callback in a task module/,
      /^retry LapinmqError: Cannot use "message.ack" in a task module: .*: return a MessageStatus/,
      /^retry LapinmqError: Cannot use "message.reject" in a task module/,
      /^retry LapinmqError: Cannot use "message.rejectRetry" in a task module/,
      /^retry RangeError: something$/,
      /^retry TypeError: Cannot tell what becomes of the message: the task returned undefined/,
    ];
    assertEquals(failures.length, expected.length);
    expected.forEach((one, index) => assertMatch(failures[index], one));
    assert(consumer.told.errors.every(({ stack }) => stack?.includes(".ts:")), "stacks cross");
    await consumer.stop();
    await noneLeft();
    await made.waitForCount(queueName, retried.length);
  });

  Deno.test(`Whatever a task in a ${kind} throws is a failure of its message, and ends nothing`, async () => {
    await using made = await topology();
    await using connection = connectionForTest();
    const queueName = await made.queue();
    const odd = [
      `throw Object.assign(new Error("a"), { name: 5 })`,
      `throw Object.assign(new Error("b"), { stack: null })`,
      `throw Object.defineProperty(new Error("c"), "name", { value: Symbol("d") })`,
      `throw Object.create(null)`,
      `throw { constructor: { name: Symbol("e") } }`,
      `throw { message: "f" }`,
    ];
    const consumer = isolatedConsumer(kind, {
      connection,
      queueName,
      prefetch: 20,
      retryDelayMs: 60_000,
      taskModule: moduleOf(`
        import { defineTask } from TASK;
        export default defineTask((message) => Function(message.text())());`),
    });
    await consumer.start();
    await made.fill(queueName, odd);
    await eventually("all have failed", () => consumer.told.failures.length === odd.length);
    assertEquals(consumer.told.failures, [
      "retry 5: a",
      "retry Error: b",
      "retry Symbol(d): c",
      "retry Error: an object (no class)",
      "retry Error: an object (Symbol(e))",
      "retry Error: an object (Object)",
    ]);
    await consumer.stop();
    await noneLeft();
    assertEquals((await made.takeAll(queueName)).length, odd.length);
  });

  Deno.test(`What ends a ${kind} costs the message it worked on one attempt, and nothing else`, async () => {
    await using made = await topology();
    await using connection = connectionForTest();
    const dead = await made.queue();
    const queueName = await made.queue({
      arguments: { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead },
    });
    const fatal = ["exit 3", "process-exit 4", "throw-later a", "reject-later b", "close"];
    const consumer = isolatedConsumer(kind, {
      connection,
      queueName,
      retryDelayMs: 60_000,
      prefetch: 20,
    });
    await consumer.start();
    await made.fill(queueName, fatal.flatMap((word) => [word, "done"]));
    await eventually("all have failed", () => consumer.told.failures.length === fatal.length);
    const expected = [
      /ended with (exit )?code 3/,
      / 4$/,
      /RangeError: a$/,
      /RangeError: b$/,
      / 0$/,
    ];
    consumer.told.failures.forEach((failure, index) => assertMatch(failure, expected[index]));
    // Whatever comes afterwards is worked on.
    await made.fill(queueName, ["refuse"]);
    await made.waitForCount(dead, 1);
    await consumer.stop();
    await noneLeft();
    await made.waitForCount(queueName, fatal.length);
    assertEquals(
      (await made.takeAll(queueName)).map(({ content }) => `${content}`).toSorted(),
      fatal.toSorted(),
    );
  });

  Deno.test(`A message that waits for a ${kind} to be replaced is given back by a drain, and has not failed`, async () => {
    await using made = await topology();
    await using connection = connectionForTest();
    const queueName = await made.queue();
    const consumer = isolatedConsumer(kind, { connection, queueName, prefetch: 2 });
    const stopped = Promise.withResolvers<unknown>();
    consumer.addEventListener("taskfailed", () => {
      // The next has begun to wait by then; the replacement does not come so soon.
      setTimeout(() => stopped.resolve(consumer.stop()), 10);
    });
    await consumer.start();
    await made.fill(queueName, ["exit 1", "done"]);
    assertEquals(await stopped.promise, { completed: 1, released: 1, abandoned: 0 });
    await noneLeft();
    assertEquals(consumer.told.failures.length, 1);
    await made.waitForCount(queueName, 2);
  });

  Deno.test(`A message that waits for a ${kind} to be replaced as the connection is lost is worked on once`, async () => {
    await using made = await topology();
    await using proxy = startProxy();
    const { hostname, port } = proxy;
    const { username, password, vhost } = broker;
    const reconnect = { initialDelayMs: 10, maxDelayMs: 50 };
    const address = { hostname, port, username, password, vhost };
    await using connection = connectionForTest({ ...address, reconnect });
    const queueName = await made.queue();
    const file = await Deno.makeTempFile();
    const consumer = isolatedConsumer(kind, {
      connection,
      queueName,
      prefetch: 2,
      taskModule: moduleOf(`
        import { defineTask } from TASK;
        export default defineTask((message) => {
          if (message.text() === "exit") return message.redelivered ? "SUCCESS" : Deno.exit(1);
          Deno.writeTextFileSync(${JSON.stringify(file)}, "x", { append: true });
          return "SUCCESS";
        });`),
    });
    // The next has begun to wait by then; the replacement does not come so soon.
    consumer.addEventListener("taskfailed", () => void setTimeout(() => proxy.cut(), 10));
    await consumer.start();
    await made.fill(queueName, ["exit", "next"]);
    await eventually("it is worked on", async () => await Deno.readTextFile(file) !== "");
    assertEquals((await consumer.stop()).abandoned, 0);
    await noneLeft();
    assertEquals([await Deno.readTextFile(file), await made.count(queueName)], ["x", 0]);
    assertEquals(consumer.told.lost.length, 1);
    await Deno.remove(file);
  });
}
