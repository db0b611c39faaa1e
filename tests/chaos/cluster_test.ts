/** Three nodes, and a queue: one of them goes. */

import { assert, assertEquals } from "@std/assert";
import { type Connection, Consumer, Publisher } from "../../mod.ts";
import { connectionForTest, isVersion4 } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { noNodes, type PrivateNode, privateNodes, writeDeclarations } from "../support/nodes.ts";
import { declareQueue } from "../support/on_channel.ts";
import { assertAllThere, collector, PATIENT, QUICK, sendNumbers } from "./support.ts";

const nodes = privateNodes(3);
const ignore = noNodes;

/** A quorum queue with a member on each node, written to disk. */
async function quorumQueue(on: PrivateNode): Promise<string> {
  const queue = await declareQueue(on.url, {
    "x-queue-type": "quorum",
    // By default RabbitMQ 4.3 waits a minute for a node that is gone before it delivers again what a
    // consumer there had.
    ...(isVersion4 ? { "x-consumer-disconnected-timeout": 1_000 } : {}),
  });
  for (const node of nodes) await writeDeclarations(node);
  return queue;
}

/** The node that leads a quorum queue. */
async function leaderOf(queue: string, ask: PrivateNode): Promise<PrivateNode> {
  const name = await eventually("the queue has a leader", async () => {
    return await ask.evaluate(`
      {ok, Queue} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"${queue}">>)),
      atom_to_list(element(2, amqqueue:get_pid(Queue))).
    `);
  });
  return nodes.find((node) => name.includes(node.name))!;
}

/** Waits until all three run and see each other. */
async function whole(): Promise<void> {
  const others = "[Node || Node <- nodes(), rpc:call(Node, rabbit, is_running, []) =:= true]";
  for (const node of nodes) {
    await eventually(
      `${node.name} sees the others`,
      async () => await node.evaluate(`length(${others}).`).catch(() => "0") === "2",
    );
  }
}

function connectTo(first: PrivateNode): { connection: Connection; ports: number[] } {
  const others = nodes.filter((node) => node !== first);
  const connection = connectionForTest({
    url: [first, ...others].map(({ url }) => url),
    reconnect: QUICK,
  });
  const ports: number[] = [];
  connection.addEventListener("connected", ({ detail }) => ports.push(detail.port));
  connection.addEventListener("disconnected", () => {});
  connection.addEventListener("reconnecting", () => {});
  return { connection, ports };
}

Deno.test({
  name: "19 kill -9 of the leader of a quorum queue: sends wait and succeed, nothing is lost",
  ignore,
  fn: async () => {
    await whole();
    const queue = await quorumQueue(nodes[0]);
    const leader = await leaderOf(queue, nodes[0]);
    const follower = nodes.find((node) => node !== leader)!;
    const { connection, ports } = connectTo(follower);
    await using _ = connection;
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
    const sends = sendNumbers(publisher, queue, 0, 500);
    await sends[100];
    await leader.kill();
    try {
      await Promise.all([...sends, ...sendNumbers(publisher, queue, 500, 600)]);
      await task.waitForAll(600);
    } finally {
      await leader.start();
    }
    assertAllThere(task.bodies, 600);
    assertEquals(ports, [follower.port, follower.port]);
  },
});

Deno.test({
  name: "20 kill -9 of the connected node: the next host takes over, nothing is lost",
  ignore,
  fn: async () => {
    await whole();
    const queue = await quorumQueue(nodes[0]);
    const leader = await leaderOf(queue, nodes[0]);
    const connected = nodes.find((node) => node !== leader)!;
    const { connection, ports } = connectTo(connected);
    await using _ = connection;
    const publisher = new Publisher({ connection, maxInFlight: 50, ...PATIENT });
    const task = collector();
    const consumer = new Consumer({
      connection,
      queueName: queue,
      taskFunction: task,
      prefetch: 20,
    });
    consumer.addEventListener("channellost", () => {});
    await publisher.start();
    await consumer.start();
    const sends = sendNumbers(publisher, queue, 0, 500);
    await sends[100];
    await connected.kill();
    try {
      await Promise.all([...sends, ...sendNumbers(publisher, queue, 500, 600)]);
      await task.waitForAll(600);
    } finally {
      await connected.start();
    }
    assertAllThere(task.bodies, 600);
    assertEquals(ports.slice(0, 2), [connected.port, connected.port]);
    assert(ports.length >= 4);
    for (const port of ports.slice(2)) assert(port !== connected.port);
  },
});

Deno.test({
  name: "21 a node refuses new connections: the hosts are tried in rotation",
  ignore,
  fn: async () => {
    await whole();
    const [first, second] = nodes;
    const queue = await quorumQueue(second);
    const { connection, ports } = connectTo(first);
    await using _ = connection;
    await first.evaluate("rabbit_maintenance:suspend_all_client_listeners().");
    try {
      const publisher = new Publisher({ connection });
      const task = collector();
      const consumer = new Consumer({ connection, queueName: queue, taskFunction: task });
      await publisher.start();
      await consumer.start();
      assertEquals(ports, [second.port, second.port]);
      await Promise.all(sendNumbers(publisher, queue, 0, 20));
      await task.waitForAll(20);
      // Lost again: it goes round past the one that refuses.
      await second.evaluate('rabbit_networking:close_all_connections("maintenance").').catch(() =>
        second.ctl("close_all_connections", "maintenance")
      );
      await Promise.all(sendNumbers(publisher, queue, 20, 40));
      await task.waitForAll(40);
      assert(!ports.includes(first.port));
    } finally {
      await first.evaluate("rabbit_maintenance:resume_all_client_listeners().");
    }
  },
});

interface Absence {
  readonly what: string;
  /** What the consumer says of it. */
  readonly says: RegExp;
  leave(home: PrivateNode): Promise<unknown>;
  comeBack(home: PrivateNode): Promise<unknown>;
}

const ABSENCES: Absence[] = [
  {
    what: "kill -9",
    // RabbitMQ 4 looks for the queue for more than a minute before it answers 404, "failed to perform
    // operation on queue … due to timeout".
    says: isVersion4 ? /within 2000 ms|due to timeout/ : /home node .* is down or inaccessible/,
    leave: (home) => home.kill(),
    comeBack: (home) => home.start(),
  },
  {
    what: "rabbitmqctl stop_app",
    says: /process is stopped by supervisor|is down or inaccessible/,
    leave: (home) => home.ctl("stop_app"),
    comeBack: (home) => home.ctl("start_app"),
  },
];

for (const { what, says, leave, comeBack } of ABSENCES) {
  Deno.test({
    name: `22 ${what} on the node of a classic queue: a consumer that starts meanwhile waits`,
    ignore,
    fn: async () => {
      await whole();
      const [other, home] = nodes;
      const queue = await declareQueue(home.url);
      for (const node of nodes) await writeDeclarations(node);
      await using connection = connectionForTest({
        url: other.url,
        reconnect: QUICK,
        connectTimeoutMs: 2_000,
        startTimeoutMs: 600_000,
      });
      const task = collector();
      const consumer = new Consumer({ connection, queueName: queue, taskFunction: task });
      await leave(home);
      const starting = consumer.start();
      starting.catch(() => {});
      try {
        await eventually(
          `it says why it waits (${says})`,
          () => says.test(consumer.health().reason ?? ""),
        );
      } finally {
        await comeBack(home);
      }
      await starting;
      assertEquals(consumer.health().status, "up");
      const publisher = new Publisher({ connection, ...PATIENT });
      await publisher.start();
      await Promise.all(sendNumbers(publisher, queue, 0, 20));
      await task.waitForAll(20);
    },
  });
}
