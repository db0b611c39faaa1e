/** Heartbeats, and other consumers, while all threads or processes compute. */

import { assertEquals } from "@std/assert";
import { Connection, Consumer } from "../../mod.ts";
import { LoopWatch } from "../../src/loop_watch.ts";
import { broker, notOurs, openAtBroker } from "../support/broker.ts";
import { isolatedConsumer, KINDS, noneLeft } from "../support/isolation.ts";
import { notingTask } from "../support/tasks.ts";
import { topology } from "../support/topology.ts";

/** Well beyond the two heartbeats after which the broker gives up a connection. */
const COMPUTES_MS = Number(Deno.env.get("LAPINMQ_COMPUTE_MS") ?? 6_000);

for (const kind of KINDS) {
  Deno.test({
    name: `Heartbeats go on while each ${kind} computes, and other consumers are served meanwhile`,
    ignore: notOurs,
    async fn() {
      await using made = await topology();
      const queueName = await made.queue();
      const connectionName = `computing ${made.unused()}`;
      const connection = new Connection({
        url: broker.url,
        connectionName,
        heartbeatSeconds: 1,
        logger: null,
      });
      const consumer = isolatedConsumer(kind, { connection, queueName, workers: 2 });
      const blocked: number[] = [];
      // Tells from one second on.
      const unwatch = new LoopWatch(2).observe((blockedMs) => blocked.push(blockedMs));
      await consumer.start();
      const before = await openAtBroker(connectionName);
      const others = await made.queue();
      // Counted from before they begin, so that they compute on when it is over.
      const startedAt = performance.now();
      await made.fill(queueName, [`compute ${COMPUTES_MS}`, `compute ${COMPUTES_MS}`]);
      await made.waitForCount(queueName, 0);

      const task = notingTask();
      const other = new Consumer({ connection, queueName: others, taskFunction: task });
      await other.start();
      let sent = 0;
      while (performance.now() - startedAt < COMPUTES_MS - 1_500) {
        await made.fill(others, [`${sent}`]);
        await task.waitFor(++sent);
      }
      assertEquals(await consumer.stop({ timeoutMs: 60_000 }), {
        completed: 2,
        released: 0,
        abandoned: 0,
      });
      unwatch();
      const after = await openAtBroker(connectionName);
      assertEquals(after.connections, before.connections);
      assertEquals([consumer.told.lost, consumer.told.failures, blocked], [[], [], []]);
      await connection.close();
      await noneLeft();
    },
  });
}
