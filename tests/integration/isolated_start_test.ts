/** Task modules that cannot be used: start() says so, and nothing is lost. */

import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { ConfigurationError, Consumer, type ConsumerOptions, LapinmqError } from "../../mod.ts";
import { connectionForTest } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import {
  isolatedConsumer,
  KINDS,
  moduleOf,
  noneLeft,
  taskModule,
  taskThreads,
} from "../support/isolation.ts";
import { topology } from "../support/topology.ts";

const THROWS = `throw new RangeError("not today")`;
const NO_DEFAULT =
  `import { defineTask } from TASK; export const task = defineTask(() => "SUCCESS");`;
const PLAIN = `export default () => "SUCCESS";`;
const SYNTAX = `export default = 5`;
const EXITS = `Deno.exit(7)`;
const LATE = `setTimeout(() => { throw new RangeError("late"); }); await new Promise(() => {});`;
const GOOD = `import { defineTask } from TASK; export default defineTask(() => "SUCCESS");`;

for (const kind of KINDS) {
  Deno.test(`start() fails where a ${kind} cannot load its module, loses nothing, and may be called again`, async () => {
    await using made = await topology();
    await using connection = connectionForTest({ startTimeoutMs: 60_000 });
    const queueName = await made.queue();
    await made.fill(queueName, ["a", "b"]);
    const nowhere = new URL("./nowhere.ts", import.meta.url);
    for (
      const [module, expected] of [
        [moduleOf(THROWS), /^Cannot load the task module "data:.*: not today$/],
        [moduleOf(SYNTAX), /^Cannot load the task module /],
        [nowhere, /^Cannot load the task module ".*nowhere.ts": Module not found/],
        [moduleOf(NO_DEFAULT), /its default export is undefined: write "export default defineTask/],
        [moduleOf(PLAIN), /its default export is a function: write "export default defineTask/],
        [
          moduleOf(EXITS),
          /^Cannot load the task module: .* ended with .*code 7 before it was loaded/,
        ],
        [
          moduleOf(LATE),
          /^Cannot load the task module: .*nobody caught an error: RangeError: late/,
        ],
      ] as const
    ) {
      const consumer = isolatedConsumer(kind, {
        connection,
        queueName,
        workers: 2,
        taskModule: module,
      });
      for (let attempt = 1; attempt <= 2; attempt++) {
        const error = await assertRejects(() => consumer.start(), ConfigurationError);
        assertMatch(error.message, expected);
        if (module === moduleOf(THROWS)) {
          assert(error.cause instanceof Error);
          assertEquals([error.cause.name, error.cause.message], ["RangeError", "not today"]);
        }
        await noneLeft();
      }
      assertEquals(consumer.health().reason, "not started");
    }
    assertEquals(await made.count(queueName), 2);
    await using consumer = isolatedConsumer(kind, {
      connection,
      queueName,
      taskModule: moduleOf(GOOD),
    });
    await consumer.start();
    await made.waitForCount(queueName, 0);
  });

  Deno.test(`A ${kind} that takes too long to load fails start(), and stop() interrupts it`, async () => {
    await using made = await topology();
    await using connection = connectionForTest({ startTimeoutMs: 1_000 });
    const never = moduleOf(`await new Promise((resolve) => setTimeout(resolve, 1e6));`);
    const options = { connection, queueName: await made.queue(), taskModule: never };
    const consumer = isolatedConsumer(kind, options);
    await assertRejects(
      () => consumer.start(),
      ConfigurationError,
      "it is not loaded after 1000 ms",
    );
    const started = assertRejects(() => consumer.start(), LapinmqError, "it was stopped before");
    await consumer.stop();
    await started;
    await noneLeft();
    assertEquals(consumer.health().reason, "stopped");
  });

  Deno.test(`A consumer that is stopped as its ${kind} is about to have loaded the module stays stopped`, async () => {
    await using made = await topology();
    await using connection = connectionForTest();
    const queueName = await made.queue();
    const loading = await Deno.makeTempFile();
    const consumer = isolatedConsumer(kind, {
      connection,
      queueName,
      taskModule: moduleOf(`
        import { defineTask } from TASK;
        Deno.writeTextFileSync(${JSON.stringify(loading)}, "loading");
        const end = performance.now() + 150;
        while (performance.now() < end);
        export default defineTask(() => "SUCCESS");`),
    });
    const started = assertRejects(
      () => consumer.start(),
      LapinmqError,
      "it was stopped before its task module was loaded",
    );
    await eventually("it loads", async () => await Deno.readTextFile(loading) !== "");
    await consumer.stop();
    await started;
    await made.fill(queueName, ["a"]);
    assertEquals(await consumer.stop(), { completed: 0, released: 0, abandoned: 0 });
    await noneLeft();
    assertEquals(await made.count(queueName), 1);
    await Deno.remove(loading);
  });

  Deno.test(`A ${kind} ends with its consumer although its module keeps a timer`, async () => {
    await using made = await topology();
    await using connection = connectionForTest();
    const consumer = isolatedConsumer(kind, {
      connection,
      queueName: await made.queue(),
      taskModule: moduleOf(`setInterval(() => {}, 1_000); ${GOOD}`),
    });
    await consumer.start();
    await consumer.stop();
    await noneLeft();
  });

  Deno.test(`A ${kind} of a consumer is started with it, ends with it, and is started again`, async () => {
    await using made = await topology();
    await using connection = connectionForTest();
    const queueName = await made.queue();
    const consumer = isolatedConsumer(kind, { connection, queueName, workers: 3 });
    for (let round = 1; round <= 3; round++) {
      await consumer.start();
      if (kind === "thread") assertEquals(taskThreads(), 3);
      await made.fill(queueName, ["done", "done", "done", "done"]);
      await made.waitForCount(queueName, 0);
      await consumer.stop();
      await noneLeft();
    }
    assertEquals(consumer.told.failures, []);
  });

  Deno.test(`health() tells while no ${kind} can be replaced, and messages wait`, async () => {
    await using made = await topology();
    await using connection = connectionForTest();
    const queueName = await made.queue();
    const flag = await Deno.makeTempFile();
    await Deno.remove(flag);
    const consumer = isolatedConsumer(kind, {
      connection,
      queueName,
      retryDelayMs: 0,
      taskModule: moduleOf(`
        import { defineTask } from TASK;
        const isThere = await Deno.stat(${JSON.stringify(flag)}).then(() => true, () => false);
        if (isThere) throw new Error("not any more");
        export default defineTask((message) => message.redelivered ? "SUCCESS" : Deno.exit(3));`),
    });
    await consumer.start();
    await Deno.writeTextFile(flag, "");
    await made.fill(queueName, ["a"]);
    const bad = await eventually("it is told", () => {
      const health = consumer.health();
      return health.reason?.includes("not any more") && health;
    });
    assertEquals(bad.status, "recovering");
    await Deno.remove(flag);
    await eventually("it has recovered", () => consumer.health().status === "up");
    await made.waitForCount(queueName, 0);
    assertEquals((await consumer.stop()).abandoned, 0);
    await noneLeft();
    assertEquals(await made.count(queueName), 0);
  });

  Deno.test(`A ${kind} ends where start() fails for another reason`, async () => {
    await using made = await topology();
    await using connection = connectionForTest();
    const consumer = isolatedConsumer(kind, { connection, queueName: made.unused() });
    await assertRejects(() => consumer.start());
    await noneLeft();
  });
}

Deno.test("Consumer refuses options of tasks that contradict each other, or are of no use", () => {
  const module = taskModule("obeying");
  const taskFunction = () => "SUCCESS" as const;
  const permissions = { net: true };
  for (
    const [options, message] of [
      [{}, `Cannot use option "taskFunction": received undefined`],
      [{ taskFunction, taskModule: module }, `Cannot use both "taskFunction" and "taskModule"`],
      [{ taskFunction, isolation: "thread" }, `Cannot use option "isolation" with "taskFunction"`],
      [{ taskFunction, taskPermissions: "none" }, `"taskPermissions" with "taskFunction"`],
      [{ taskFunction, taskRunFlags: [] }, `"taskRunFlags" with "taskFunction"`],
      [{ taskModule: module, isolation: "fibre" }, `received "fibre": it must be "thread" or`],
      [
        { taskModule: module, taskPermissions: permissions },
        `"taskPermissions" with isolation "thr`,
      ],
      [{ taskModule: module, isolation: "thread", taskRunFlags: [] }, `use isolation "process"`],
      [
        { taskModule: "./task.ts" },
        `received "./task.ts": it must be a file:, http:, https: or data:`,
      ],
      [{ taskModule: "npm:left-pad" }, `new URL("./task.ts", import.meta.url)`],
      [{ taskModule: 5 }, `Cannot use option "taskModule"`],
      [{ taskModule: null }, `Cannot use option "taskModule"`],
      [{ taskModule: Object.create(null) }, `Cannot use option "taskModule"`],
    ] as [unknown, string][]
  ) {
    const all = { queueName: "work", ...options as object } as ConsumerOptions;
    assertThrows(() => new Consumer(all), ConfigurationError, message);
  }
});

Deno.test("start() fails where the module of a thread starts a consumer of its own as it is loaded", async () => {
  await using connection = connectionForTest({ startTimeoutMs: 60_000 });
  const library = JSON.stringify(new URL("../../mod.ts", import.meta.url).href);
  const consumer = isolatedConsumer("thread", {
    connection,
    queueName: "nowhere",
    taskModule: moduleOf(`
      import { Consumer } from ${library};
      await new Consumer({ queueName: "nowhere", taskModule: import.meta.url }).start();`),
  });
  const error = await assertRejects(() => consumer.start(), ConfigurationError);
  assertMatch(error.message, /this is such a thread already: the task module starts a consumer/);
  await noneLeft();
});
