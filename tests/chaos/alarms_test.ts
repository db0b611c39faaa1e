/** The broker is low on memory or disk: it reads from no connection that publishes. */

import { assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import {
  ConfirmTimeoutError,
  type Connection,
  ConnectionError,
  Consumer,
  Publisher,
  PublisherOverflowError,
} from "../../mod.ts";
import { connectionForTest } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { noNodes, type PrivateNode, privateNodes } from "../support/nodes.ts";
import { declareQueue, readyIn, takeBodies } from "../support/on_channel.ts";
import { startProxy } from "../support/proxy.ts";
import { heldTask } from "../support/tasks.ts";
import { assertAllThere, QUICK, sendNumbers } from "./support.ts";

const nodes = privateNodes(1);
const ignore = noNodes;

const ALARMS = {
  memory: {
    raise: "vm_memory_monitor:set_vm_memory_high_watermark(0).",
    clear: "vm_memory_monitor:set_vm_memory_high_watermark(0.4).",
  },
  disk: {
    raise: 'rabbit_disk_monitor:set_disk_free_limit("1000000GB").',
    clear: 'rabbit_disk_monitor:set_disk_free_limit("50MB").',
  },
} as const;

/** Raises an alarm and waits until it is in force; disposing of it clears it. */
async function raise(node: PrivateNode, kind: keyof typeof ALARMS) {
  const clear = async () => {
    await node.evaluate(ALARMS[kind].clear);
    await eventually("the alarm is over", async () => await alarms(node) === "[]");
  };
  await node.evaluate(ALARMS[kind].raise);
  await eventually("the alarm is raised", async () => await alarms(node) !== "[]");
  return { clear, [Symbol.asyncDispose]: clear };
}

async function alarms(node: PrivateNode): Promise<string> {
  return await node.evaluate("rabbit_alarm:get_alarms().");
}

async function blocked(publisher: Publisher): Promise<void> {
  await eventually("it is blocked", () => publisher.health().status === "blocked");
}

function eventsOf(connection: Connection): string[] {
  const events: string[] = [];
  connection.addEventListener("blocked", ({ detail }) => events.push(`blocked: ${detail.reason}`));
  connection.addEventListener("unblocked", () => events.push("unblocked"));
  return events;
}

for (const [number, kind] of [[15, "memory"], [16, "disk"]] as const) {
  Deno.test({
    name: `${number} ${kind} alarm: sends wait within bounds and time out saying "blocked", ` +
      `consumers go on acknowledging`,
    ignore,
    fn: async () => {
      const [node] = nodes;
      const [queue, worked] = [await declareQueue(node.url), await declareQueue(node.url)];
      await using connection = connectionForTest({ url: node.url });
      const events = eventsOf(connection);
      const publisher = new Publisher({
        connection,
        sendTimeoutMs: 2_000,
        maxBufferedMessages: 5,
      });
      const task = heldTask();
      const consumer = new Consumer({
        connection,
        queueName: worked,
        workers: 3,
        taskFunction: task,
      });
      await publisher.start();
      await consumer.start();
      await Promise.all(sendNumbers(publisher, worked, 0, 3));
      await task.waitFor(3);

      const alarm = await raise(node, kind);
      try {
        // The broker says so only to who publishes: this one is written before it does.
        const first = publisher.sendMessageToQueue({ queueName: queue, body: "first" })
          .catch((error) => error);
        await blocked(publisher);
        assertStringIncludes(publisher.health().reason!, `blocked by the broker: low on ${kind}`);
        assertEquals(events, [`blocked: low on ${kind}`]);
        assertEquals(consumer.health().status, "up");
        const before = await first;
        const sends = await Promise.allSettled(sendNumbers(publisher, queue, 0, 8));
        const errors = sends.map((one) => (one as PromiseRejectedResult).reason);
        for (const error of [before, ...errors.slice(0, 5)]) {
          assertInstanceOf(error, ConfirmTimeoutError);
          assertStringIncludes(error.message, `2000 ms: blocked by the broker: low on ${kind}`);
          assertEquals(error.written, error === before);
        }
        for (const error of errors.slice(5)) assertInstanceOf(error, PublisherOverflowError);
        task.endAll();
        assertEquals(await consumer.stop(), { completed: 3, released: 0, abandoned: 0 });
        assertEquals(await readyIn(node.url, worked), 0);
      } finally {
        await alarm.clear();
      }
      await eventually("it is unblocked", () => publisher.health().status === "up");
      assertEquals(events.at(-1), "unblocked");
      await publisher.sendMessageToQueue({ queueName: queue, body: "last" });
      // What had been written arrives after all; what had not is never sent.
      assertEquals(await takeBodies(node.url, queue), ["first", "last"]);
    },
  });
}

Deno.test({
  name: "17 stop() while blocked: returns by its deadline and lists what was not sent",
  ignore,
  fn: async () => {
    const [node] = nodes;
    const queue = await declareQueue(node.url);
    await using connection = connectionForTest({ url: node.url });
    const publisher = new Publisher({ connection });
    await publisher.start();
    await using _alarm = await raise(node, "memory");
    const written = sendNumbers(publisher, queue, 0, 1);
    await blocked(publisher);
    const waiting = sendNumbers(publisher, queue, 1, 4);
    const result = await publisher.stop({ timeoutMs: 300 });
    const bodies = (of: typeof result.unsent) =>
      of.map(({ body }) => new TextDecoder().decode(body));
    assertEquals([bodies(result.unknown), bodies(result.unsent)], [["0"], ["1", "2", "3"]]);
    for (const outcome of await Promise.allSettled([...written, ...waiting])) {
      assertEquals((outcome as PromiseRejectedResult).reason.code, "PUBLISHER_STOPPED");
    }
    await connection.close();
  },
});

Deno.test({
  name: "18 connection dropped while blocked: the fresh one is not taken for blocked",
  ignore,
  fn: async () => {
    const [node] = nodes;
    const queue = await declareQueue(node.url);
    await using proxy = startProxy(node);
    const { hostname, port } = proxy;
    await using connection = connectionForTest({ hostname, port, reconnect: QUICK });
    connection.addEventListener("disconnected", () => {});
    const events = eventsOf(connection);
    const publisher = new Publisher({ connection });
    await publisher.start();
    const alarm = await raise(node, "memory");
    let sends: Promise<void>[];
    try {
      sends = sendNumbers(publisher, queue, 0, 1);
      await blocked(publisher);
      sends.push(...sendNumbers(publisher, queue, 1, 5));
      proxy.refuse();
      proxy.cut();
      await eventually("the loss is noticed", () => publisher.health().status === "recovering");
    } finally {
      await alarm.clear();
    }
    proxy.listen();
    // The broker never says "unblocked" to the fresh connection.
    await Promise.all(sends);
    assertEquals(events.includes("unblocked"), false);
    assertEquals(publisher.health().status, "up");
    assertAllThere(await takeBodies(node.url, queue), 5);
  },
});

Deno.test({
  name: "72 a second publisher starts during an alarm: it waits, and says that it is blocked",
  ignore,
  fn: async () => {
    const [node] = nodes;
    const queue = await declareQueue(node.url);
    await using connection = connectionForTest({ url: node.url, startTimeoutMs: 500 });
    const first = new Publisher({ connection });
    await first.start();
    const alarm = await raise(node, "memory");
    let sent: Promise<void>[];
    let starting: Promise<void>;
    await using patient = connectionForTest({ url: node.url, startTimeoutMs: 600_000 });
    const second = new Publisher({ connection: patient });
    const other = new Publisher({ connection: patient });
    try {
      sent = sendNumbers(first, queue, 0, 1);
      await blocked(first);
      // Its start gives up in time, and says why.
      const late = new Publisher({ connection });
      const error = await assertRejects(() => late.start(), ConnectionError);
      assertEquals([error.code, (error.cause as ConnectionError).code], [
        "START_TIMEOUT",
        "BLOCKED",
      ]);
      assertStringIncludes(error.message, "blocked by the broker");
      assertStringIncludes(error.message, "low on memory");

      // On a connection that nobody has published on yet, the broker still answers.
      await second.start();
      sent.push(...sendNumbers(second, queue, 1, 2));
      await blocked(second);
      starting = other.start();
      starting.catch(() => {});
      await blocked(other);
      assertStringIncludes(other.health().reason!, "low on memory");
    } finally {
      await alarm.clear();
    }
    await starting;
    await Promise.all([...sent, ...sendNumbers(other, queue, 2, 3)]);
    assertAllThere(await takeBodies(node.url, queue), 3);
  },
});
