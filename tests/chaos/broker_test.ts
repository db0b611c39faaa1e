/** The broker crashes, freezes, or closes what is open. */

import { assert, assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import { assertStringIncludes } from "@std/assert";
import { ConfirmTimeoutError, type Connection, Consumer, Publisher } from "../../mod.ts";
import { connectionForTest } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { noNodes, privateNodes, writeDeclarations } from "../support/nodes.ts";
import { declareQueue, readyIn } from "../support/on_channel.ts";
import { assertAllThere, collector, PATIENT, QUICK, sendNumbers } from "./support.ts";

const nodes = privateNodes(1);
const ignore = noNodes;

/** Notes why the connection was lost, by role. */
function lossesOf(connection: Connection): Map<string, string> {
  const losses = new Map<string, string>();
  connection.addEventListener("disconnected", ({ detail }) => {
    losses.set(detail.role, detail.cause.message);
  });
  connection.addEventListener("reconnecting", () => {});
  return losses;
}

for (const type of ["classic", "quorum"]) {
  Deno.test({
    name:
      `10 kill -9 of the broker and restart: nothing is lost, a ${type} queue is published to ` +
      `and consumed from again`,
    ignore,
    fn: async () => {
      const [node] = nodes;
      const queue = await declareQueue(node.url, { "x-queue-type": type });
      await writeDeclarations(node);
      await using connection = connectionForTest({ url: node.url, reconnect: QUICK });
      const losses = lossesOf(connection);
      const publisher = new Publisher({ connection, maxInFlight: 50, ...PATIENT });
      const task = collector();
      const consumer = new Consumer({
        connection,
        queueName: queue,
        taskFunction: task,
        prefetch: 20,
      });
      await publisher.start();
      await consumer.start();
      const early = sendNumbers(publisher, queue, 0, 400);
      await early[100];
      await node.kill();
      await eventually("both losses are noticed", () => losses.size === 2);
      assertEquals([publisher.health().status, consumer.health().status], [
        "recovering",
        "recovering",
      ]);
      const late = sendNumbers(publisher, queue, 400, 500);
      await node.start();
      await Promise.all([...early, ...late]);
      await task.waitForAll(500);
      assertAllThere(task.bodies, 500);
      await consumer.stop();
      assertEquals(await readyIn(node.url, queue), 0);
    },
  });
}

Deno.test({
  name: "11 kill -STOP and -CONT of the broker: every deadline holds, then it goes on",
  ignore,
  fn: async () => {
    const [node] = nodes;
    const queue = await declareQueue(node.url);
    await using connection = connectionForTest({
      url: node.url,
      reconnect: QUICK,
      heartbeatSeconds: 1,
      connectTimeoutMs: 500,
      startTimeoutMs: 1_000,
    });
    const losses = lossesOf(connection);
    const attempts: string[] = [];
    connection.addEventListener("reconnecting", ({ detail }) => {
      attempts.push((detail.cause as Error & { code: string }).code);
    });
    const publisher = new Publisher({ connection, sendTimeoutMs: 1_000 });
    const patient = new Publisher({ connection, ...PATIENT });
    const task = collector();
    const consumer = new Consumer({ connection, queueName: queue, taskFunction: task });
    const stopped = new Consumer({ connection, queueName: queue, taskFunction: () => "SUCCESS" });
    for (const one of [publisher, patient, consumer, stopped]) await one.start();
    await node.pause();
    try {
      const hopeless = publisher.sendMessageToQueue({ queueName: queue, body: "never" })
        .catch((error) => error);
      const waiting = sendNumbers(patient, queue, 0, 10);
      // Each of these returns by its own deadline, although the broker answers nothing.
      await stopped.stop({ timeoutMs: 200 });
      const error = await hopeless;
      assertInstanceOf(error, ConfirmTimeoutError);
      assertStringIncludes(error.message, "1000 ms");
      await eventually("the silence is noticed", () => losses.size === 2);
      assertMatch(losses.get("publish")!, /[Hh]eartbeat/);
      const late = await publisher.sendMessageToQueue({ queueName: queue, body: "never" })
        .catch((error) => error);
      assertInstanceOf(late, ConfirmTimeoutError);
      assertStringIncludes(late.message, "disconnected since");
      await eventually(
        "attempts to connect are given up",
        () => attempts.filter((code) => code === "CONNECT_TIMEOUT").length >= 3,
      );
      const fresh = new Publisher({ connection });
      const refused = await fresh.start().catch((error) => error);
      assertInstanceOf(refused, Error);
      assertStringIncludes(refused.message, "did not answer within 500 ms");
      await node.resume();
      await Promise.all(waiting);
      await task.waitForAll(10);
    } finally {
      await node.resume();
    }
  },
});

Deno.test({
  name: "12 rabbitmqctl stop_app and start_app: nothing is lost",
  ignore,
  fn: async () => {
    const [node] = nodes;
    const queue = await declareQueue(node.url);
    await using connection = connectionForTest({ url: node.url, reconnect: QUICK });
    const losses = lossesOf(connection);
    const publisher = new Publisher({ connection, ...PATIENT });
    const task = collector();
    const consumer = new Consumer({ connection, queueName: queue, taskFunction: task });
    await publisher.start();
    await consumer.start();
    const early = sendNumbers(publisher, queue, 0, 200);
    const stopping = node.ctl("stop_app");
    const during = sendNumbers(publisher, queue, 200, 300);
    let after: Promise<void>[] = [];
    try {
      await stopping;
      await eventually("both losses are noticed", () => losses.size === 2);
      after = sendNumbers(publisher, queue, 300, 400);
    } finally {
      await node.ctl("start_app");
    }
    await Promise.all([...early, ...during, ...after]);
    await task.waitForAll(400);
  },
});

Deno.test({
  name: "13 rabbitmqctl close_all_connections: all come back, and their loss says why",
  ignore,
  fn: async () => {
    const [node] = nodes;
    const queue = await declareQueue(node.url);
    await using connection = connectionForTest({ url: node.url, reconnect: QUICK });
    const losses = lossesOf(connection);
    const publisher = new Publisher({ connection, maxInFlight: 100 });
    const task = collector();
    const consumer = new Consumer({ connection, queueName: queue, taskFunction: task });
    await publisher.start();
    await consumer.start();
    const sends = sendNumbers(publisher, queue, 0, 2_000);
    await sends[100];
    await node.ctl("close_all_connections", "the operator says so");
    await Promise.all(sends);
    await task.waitForAll(2_000);
    await eventually("both losses are noticed", () => losses.size === 2);
    const causes = [...losses.values()];
    assert(causes.some((cause) => cause.includes("the operator says so")), causes.join("\n"));
    await eventually(
      "all are up again",
      () => [connection, publisher, consumer].every((one) => one.health().status === "up"),
    );
  },
});
