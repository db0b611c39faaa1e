import { Buffer } from "node:buffer";
import { assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import { Consumer, type ConsumerEventMap, MessageDecodeError, MessageStatus } from "../../mod.ts";
import type { TaskFunction } from "../../mod.ts";
import { connectionForTest } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { recordingLogger } from "../support/recording_logger.ts";
import { type Topology, topology } from "../support/topology.ts";

type TaskFailed = ConsumerEventMap["taskfailed"];

/** A queue whose rejected messages go to another one. */
async function queueWithDeadLetters(made: Topology): Promise<{ queue: string; dead: string }> {
  const dead = await made.queue();
  const queue = await made.queue({
    arguments: { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead },
  });
  return { queue, dead };
}

Deno.test("Consumer acknowledges a message whose task returns SUCCESS", async () => {
  await using made = await topology();
  const { queue, dead } = await queueWithDeadLetters(made);
  await made.fill(queue, ["one", "two"]);
  const bodies: string[] = [];
  {
    await using connection = connectionForTest();
    const taskFunction = async (message: { text(): string }) => {
      await Promise.resolve();
      bodies.push(message.text());
      return MessageStatus.SUCCESS;
    };
    const consumer = new Consumer({ connection, queueName: queue, taskFunction });
    await consumer.start();
    await eventually("both are worked on", () => bodies.length === 2);
  }
  assertEquals(bodies, ["one", "two"]);
  await made.waitForCount(queue, 0);
  assertEquals(await made.count(dead), 0);
});

Deno.test("Consumer dead-letters a message whose task returns FAIL_DO_NOT_RETRY", async () => {
  await using made = await topology();
  const { queue, dead } = await queueWithDeadLetters(made);
  await made.fill(queue, ["bad"]);
  await using connection = connectionForTest();
  const consumer = new Consumer({
    connection,
    queueName: queue,
    taskFunction: () => MessageStatus.FAIL_DO_NOT_RETRY,
  });
  consumer.addEventListener("taskfailed", () => {
    throw new Error("A failure that the task reports itself needs no event");
  });
  await consumer.start();
  const message = await made.take(dead);
  assertEquals(message.content.toString(), "bad");
  assertEquals(message.properties.headers?.["x-first-death-reason"], "rejected");
});

Deno.test("Consumer deletes a message whose task returns FAIL_DO_NOT_RETRY where no exchange takes it", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["bad"]);
  let attempts = 0;
  await using connection = connectionForTest();
  const consumer = new Consumer({
    connection,
    queueName: queue,
    taskFunction: () => {
      attempts++;
      return MessageStatus.FAIL_DO_NOT_RETRY;
    },
  });
  await consumer.start();
  await eventually("the task has run", () => attempts === 1);
  await consumer.stop();
  assertEquals(await made.count(queue), 0);
});

Deno.test("Consumer delivers a message again whose task returns FAIL_RETRY_LATER", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["stubborn"]);
  const redelivered: boolean[] = [];
  let failures = 0;
  await using connection = connectionForTest();
  const consumer = new Consumer({
    connection,
    queueName: queue,
    retryDelayMs: 20,
    taskFunction: (message) => {
      redelivered.push(message.redelivered);
      return redelivered.length < 3 ? MessageStatus.FAIL_RETRY_LATER : MessageStatus.SUCCESS;
    },
  });
  consumer.addEventListener("taskfailed", () => failures++);
  await consumer.start();
  await eventually("it is worked on three times", () => redelivered.length === 3);
  await consumer.stop();
  assertEquals(redelivered, [false, true, true]);
  assertEquals(failures, 0);
  assertEquals(await made.count(queue), 0);
});

/** Each fails in a way of its own on the first delivery. */
const FAILURES: Record<string, { task: () => unknown; says: RegExp }> = {
  "throws": {
    task: () => {
      throw new RangeError("out of range");
    },
    says: /^out of range$/,
  },
  "rejects": { task: () => Promise.reject(new Error("no network")), says: /^no network$/ },
  "throws a string": {
    task: () => {
      throw "a plain string";
    },
    says: /^a plain string$/,
  },
  "rejects with undefined": { task: () => Promise.reject(undefined), says: /undefined/ },
  "throws an object without a prototype": {
    task: () => {
      throw Object.create(null);
    },
    says: /./,
  },
  "returns nothing": { task: () => undefined, says: /returned undefined: it must return a Mess/ },
  'returns "success"': { task: () => "success", says: /returned "success": it must/ },
  "returns true, later": { task: () => Promise.resolve(true), says: /returned true: it must/ },
  "returns an object without a prototype": { task: () => Object.create(null), says: /an object/ },
};

for (const [what, { task, says }] of Object.entries(FAILURES)) {
  Deno.test(`Consumer retries, loudly, when the task ${what}`, async () => {
    await using made = await topology();
    const queue = await made.queue();
    await made.fill(queue, ["message"]);
    let attempts = 0;
    const failed: TaskFailed[] = [];
    const { logger, lines } = recordingLogger();
    await using connection = connectionForTest({ logger });
    const consumer = new Consumer({
      connection,
      queueName: queue,
      retryDelayMs: 20,
      taskFunction: (() => ++attempts < 3 ? task() : MessageStatus.SUCCESS) as TaskFunction,
    });
    // The first failure finds a listener, the second none.
    consumer.addEventListener("taskfailed", ({ detail }) => failed.push(detail), { once: true });
    await consumer.start();
    await eventually("it succeeds in the end", () => attempts === 3);
    await consumer.stop();
    assertEquals(await made.count(queue), 0);
    assertEquals(failed.length, 1);
    const [{ message, error, outcome, ...facts }] = failed;
    assertEquals(outcome, "retry");
    const known = { messageId: undefined, queueName: queue, routingKey: queue };
    assertEquals(facts, { ...known, attempt: 1, delayMs: 20 });
    assertEquals(message.text(), "message");
    assertInstanceOf(error, Error);
    assertMatch(error.message, says);
    const warnings = lines.filter(({ level }) => level === "warn");
    assertEquals(warnings.length, 1);
    assertMatch(warnings[0].message, /^a task failed; its message will be retried$/);
    const [{ error: logged, ...others }] = warnings[0].data as [{ error: Error }];
    assertEquals(others as unknown, { ...known, attempt: 2, delayMs: 40 });
    assertMatch(logged.message, says);
  });
}

for (const read of ["text", "json"] as const) {
  Deno.test(`Consumer dead-letters a message whose body ${read}() cannot read, loudly`, async () => {
    await using made = await topology();
    const { queue, dead } = await queueWithDeadLetters(made);
    const body = read === "text" ? Uint8Array.of(0xff, 0xfe) : new TextEncoder().encode("{no");
    const { logger, lines } = recordingLogger();
    await using connection = connectionForTest({ logger });
    const failed: TaskFailed[] = [];
    const consumer = new Consumer({
      connection,
      queueName: queue,
      taskFunction: (message) => {
        message[read]();
        return MessageStatus.SUCCESS;
      },
    });
    consumer.addEventListener("taskfailed", ({ detail }) => failed.push(detail), { once: true });
    await consumer.start();
    for (let times = 0; times < 2; times++) {
      made.channel.sendToQueue(queue, Buffer.from(body));
      assertEquals(new Uint8Array((await made.take(dead)).content), body);
    }
    assertEquals(failed.map(({ outcome }) => outcome), ["reject"]);
    assertInstanceOf(failed[0].error, MessageDecodeError);
    assertEquals(failed[0].error.code, "MESSAGE_DECODE");
    // One line for each, whether or not anybody listens.
    const warnings = lines.filter(({ level }) => level === "warn");
    assertEquals(warnings.length, 2);
    for (const { message, data: [told] } of warnings) {
      assertMatch(message, /^a message was rejected: it is dead-lettered if its queue says so/);
      const { reason, ...others } = told as ConsumerEventMap["settled"];
      assertEquals(others, {
        messageId: undefined,
        queueName: queue,
        routingKey: queue,
        outcome: "reject",
        attempt: 1,
      });
      assertMatch(reason, /^MessageDecodeError: Cannot read the body/);
    }
  });
}

const REJECTIONS: Record<string, readonly [TaskFunction, string]> = {
  "returns FAIL_DO_NOT_RETRY": [
    () => MessageStatus.FAIL_DO_NOT_RETRY,
    "the task returned FAIL_DO_NOT_RETRY",
  ],
  "calls message.reject()": [(message) => {
    message.reject();
    return MessageStatus.HANDLED_VIA_CALLBACK;
  }, "message.reject() was called"],
};

for (const [what, [taskFunction, reason]] of Object.entries(REJECTIONS)) {
  Deno.test(`Consumer tells of a message that is dropped as its task ${what}, on a queue without dead letters`, async () => {
    await using made = await topology();
    const queue = await made.queue();
    const { logger, lines } = recordingLogger();
    await using connection = connectionForTest({ logger });
    const settled: ConsumerEventMap["settled"][] = [];
    let isFirst = true;
    const consumer = new Consumer({
      connection,
      queueName: queue,
      retryDelayMs: 1,
      taskFunction: (message) => {
        if (!isFirst) return taskFunction(message);
        isFirst = false;
        return MessageStatus.FAIL_RETRY_LATER;
      },
    });
    consumer.addEventListener("settled", ({ detail }) => settled.push(detail));
    await consumer.start();
    made.channel.sendToQueue(queue, Buffer.from("body"), { messageId: "the-id" });
    await eventually("it is told", () => settled.length > 0);
    await consumer.stop();
    const told = {
      messageId: "the-id",
      queueName: queue,
      routingKey: queue,
      outcome: "reject",
      attempt: 2,
      reason,
    } as const;
    assertEquals(settled, [told]);
    const warnings = lines.filter(({ level }) => level === "warn");
    assertEquals(warnings.map(({ data }) => data), [[told]]);
    assertEquals(await made.count(queue), 0);
  });
}

Deno.test("Consumer leaves to the task what becomes of a body it catches the decode error of", async () => {
  await using made = await topology();
  const queue = await made.queue();
  made.channel.sendToQueue(queue, Buffer.of(0xff));
  let caught: unknown;
  await using connection = connectionForTest();
  const consumer = new Consumer({
    connection,
    queueName: queue,
    taskFunction: (message) => {
      try {
        message.text();
      } catch (error) {
        caught = error;
      }
      return MessageStatus.SUCCESS;
    },
  });
  await consumer.start();
  await eventually("the task has run", () => caught !== undefined);
  assertInstanceOf(caught, MessageDecodeError);
  await consumer.stop();
  assertEquals(await made.count(queue), 0);
});

Deno.test("Consumer goes on when a listener of its events throws or rejects", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, ["message"]);
  await using connection = connectionForTest();
  const errors: string[] = [];
  let attempts = 0;
  const consumer = new Consumer({
    connection,
    queueName: queue,
    retryDelayMs: 20,
    taskFunction: () => {
      if (++attempts === 1) throw new Error("the task");
      return MessageStatus.SUCCESS;
    },
  });
  consumer.addEventListener("taskfailed", () => {
    throw new Error("the listener");
  });
  consumer.addEventListener("taskfailed", () => Promise.reject(new Error("the other")));
  consumer.addEventListener("error", ({ detail }) => errors.push(detail.message));
  await consumer.start();
  await eventually("the task has succeeded", () => attempts === 2);
  assertEquals(errors, [
    'the "taskfailed" listener threw',
    'the "taskfailed" listener rejected',
  ]);
});
