import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { resolveConsumerOptions, type TaskFunction } from "../src/consumer_options.ts";
import { type DeliveryOwner, HeldDelivery } from "../src/held_delivery.ts";
import { MessageStatus } from "../src/message_status.ts";
import { TaskRunner } from "../src/task_runner.ts";
import { eventually } from "./support/eventually.ts";
import { deliveryForTest } from "./support/scripted_driver.ts";

const OWNER: DeliveryOwner = {
  settle: () => true,
  retryDelay: () => 0,
  giveBack: () => {},
  waits: () => {},
  rejected: () => {},
  listenerThrew: () => {},
};

function runnerForTest(
  taskFunction: TaskFunction,
  times: { taskTimeoutMs?: number; taskGraceMs?: number; workers?: number } = {},
) {
  const failures: (readonly [message: string, outcome: string])[] = [];
  const stuck: (string | undefined)[] = [];
  const options = resolveConsumerOptions({ queueName: "work", taskFunction, ...times });
  const runner: TaskRunner = new TaskRunner(taskFunction, options, {
    stuckOrNot: () => void stuck.push(runner.stuck?.status),
    failed: (_message, error, outcome) => void failures.push([error.message, outcome]),
  });
  const run = () =>
    runner.run(
      new HeldDelivery(deliveryForTest(), OWNER),
    );
  return { runner, run, failures, stuck };
}

Deno.test("TaskRunner makes an outcome of what a task returns, at once or later", async () => {
  for (const task of [() => MessageStatus.SUCCESS, async () => await MessageStatus.SUCCESS]) {
    const { run, failures } = runnerForTest(task);
    assertEquals([await run(), failures], [{ kind: "ack" }, []]);
  }
});

Deno.test("TaskRunner makes a retry of what a task throws, at once or later (failure mode 46)", async () => {
  const tasks: TaskFunction[] = [
    () => {
      throw new Error("broken");
    },
    () => Promise.reject(new Error("broken")),
  ];
  for (const task of tasks) {
    const { run, failures } = runnerForTest(task);
    assertEquals((await run()).kind, "retry");
    assertEquals(failures, [["broken", "retry"]]);
  }
});

Deno.test("TaskRunner tells of a value that is no status, returned at once or later", async () => {
  for (const task of [() => 7, () => Promise.resolve(7)]) {
    const { run, failures } = runnerForTest(task as unknown as TaskFunction);
    assertEquals((await run()).kind, "retry");
    assertEquals(failures.map(([message, outcome]) => [message.includes("7"), outcome]), [
      [true, "retry"],
    ]);
  }
});

Deno.test("TaskRunner says nothing of a task that fails by its own word", async () => {
  const { run, failures } = runnerForTest(() => MessageStatus.FAIL_RETRY_LATER);
  assertEquals([await run(), failures], [{ kind: "retry" }, []]);
});

Deno.test("TaskRunner aborts the signal of a task that takes too long, and takes its word", async () => {
  const { run, stuck } = runnerForTest(
    ({ signal }) =>
      new Promise((resolve) =>
        signal.addEventListener("abort", () => resolve(MessageStatus.FAIL_DO_NOT_RETRY))
      ),
    { taskTimeoutMs: 10 },
  );
  assertEquals([(await run()).kind, stuck], ["reject", []]);
});

Deno.test("TaskRunner gives up a task that does not obey its signal, until it ends", async () => {
  const gate = Promise.withResolvers<MessageStatus>();
  const { run, runner, stuck } = runnerForTest(() => gate.promise, {
    taskTimeoutMs: 10,
    taskGraceMs: 10,
  });
  const outcome = await run();
  assert(outcome.kind === "retry");
  assertInstanceOf(outcome.failure, DOMException);
  assertEquals([runner.stuck?.status, stuck], ["down", ["down"]]);
  gate.resolve(MessageStatus.SUCCESS);
  await eventually("it ends", () => runner.stuck === undefined);
  assertEquals(stuck, ["down", undefined]);
});

Deno.test("TaskRunner is stuck when as many tasks overrun as there are workers", async () => {
  const gates: PromiseWithResolvers<MessageStatus>[] = [];
  const { run, runner, stuck } = runnerForTest(() => {
    const gate = Promise.withResolvers<MessageStatus>();
    gates.push(gate);
    return gate.promise;
  }, { taskTimeoutMs: 5, taskGraceMs: 5, workers: 2 });
  await run();
  assertEquals(runner.stuck, undefined);
  await run();
  assertEquals([runner.stuck?.status, stuck], ["down", ["down"]]);
  gates[0].resolve(MessageStatus.SUCCESS);
  await eventually("it is free", () => runner.stuck === undefined);
  gates[1].resolve(MessageStatus.SUCCESS);
  await eventually("both have ended", () => stuck.length === 2);
});

Deno.test("TaskRunner leaves no timer behind, and no overrun, where a task is in time", async () => {
  const { run, stuck } = runnerForTest(() => MessageStatus.SUCCESS, { taskTimeoutMs: 60_000 });
  for (let round = 0; round < 3; round++) assertEquals(await run(), { kind: "ack" });
  assertEquals(stuck, []);
});

Deno.test("TaskRunner says nothing of a task that ends because its consumer stops, but of any other error", async () => {
  const reason = new Error("the consumer stops");
  for (
    const [thrown, told] of [
      [reason, []],
      [new DOMException("aborted", "AbortError"), []],
      [new Error("broken"), [["broken", "retry"]]],
    ] as const
  ) {
    const { runner, failures } = runnerForTest(({ signal }) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(thrown)))
    );
    const held = new HeldDelivery(deliveryForTest(), OWNER);
    const outcome = runner.run(held);
    held.recall(reason);
    assertEquals([(await outcome).kind, failures], ["retry", told]);
  }
});
