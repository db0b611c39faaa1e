/** The brokers of a soak: one node, or three that form a cluster, and what the suite asks of them. */

import { Buffer } from "node:buffer";
import amqp from "amqplib";
import { type Node, startNode } from "../../tools/broker.ts";
import { canInstall, installServer } from "../../tools/broker/apt.ts";
import { debianFolder } from "../../tools/broker/debian_folder.ts";
import { greet } from "../../tools/broker/probe.ts";
import { installedServer, type Server } from "../../tools/broker/server.ts";

export type BrokerKind = "single" | "cluster";

/** What is to be started. */
export interface BrokerOptions {
  /** `3` is the server that this machine has, `4` the one in `.brokers`. */
  readonly version: "3" | "4";
  readonly kind: BrokerKind;
  /** Whether quorum queues keep the broker's own delivery limit; by default they have none. */
  readonly limited: boolean;
  readonly log: (line: string) => void;
}

/** Where messages go that come to their delivery limit. */
export const DEAD_QUEUE = "soak.dead";

/** Where the queue that takes dead letters was away, the broker tries again after this time instead of 3 minutes. */
const FILES = {
  "advanced.config": "[{rabbit, [{dead_letter_worker_publisher_confirm_timeout, 10000}]}].\n",
};

/** How long a single answer of a broker is waited for before it is asked again. */
const ANSWER_MS = 3_000;

async function serverOf(version: "3" | "4", log: (line: string) => void): Promise<Server> {
  if (version === "4") return await debianFolder(log);
  const server = await installedServer() ??
    (await canInstall() ? await installServer(log) : undefined);
  if (server === undefined) {
    throw new Error("Cannot start RabbitMQ: rabbitmq-server is not installed on this machine");
  }
  return server;
}

/** Starts the brokers and declares the queues. */
export async function startBrokers(options: BrokerOptions): Promise<Brokers> {
  const server = await serverOf(options.version, options.log);
  const first = await startNode({ server, files: FILES });
  const nodes = [first];
  try {
    if (options.kind === "cluster") {
      for (let number = 2; number <= 3; number++) {
        const node = await startNode({ server, files: FILES, peer: first });
        nodes.push(node);
        await node.ctl("stop_app");
        await node.ctl("join_cluster", first.name);
        await node.ctl("start_app");
      }
    }
    const brokers = new Brokers(nodes, options);
    await brokers.declare();
    return brokers;
  } catch (error) {
    for (const node of nodes) await node.stop();
    throw error;
  }
}

/** What a queue of the soak is declared with. */
export function queueArguments(
  queue: string,
  { limited }: { readonly limited: boolean },
): Record<string, string | number> {
  const isDead = queue === DEAD_QUEUE;
  if (!isDead && !queue.includes("quorum")) return { "x-queue-type": "classic" };
  if (limited && !isDead) {
    return {
      "x-queue-type": "quorum",
      "x-dead-letter-exchange": "",
      "x-dead-letter-routing-key": DEAD_QUEUE,
      // The default strategy may lose what it moves.
      "x-dead-letter-strategy": "at-least-once",
      "x-overflow": "reject-publish",
    };
  }
  // On RabbitMQ 4 a dead letter keeps its delivery count: with the default limit the dead-letter queue would drop it
  // the first time it is given back. −1 would mean no limit there, and to RabbitMQ 3 to drop whatever is given back.
  return { "x-queue-type": "quorum", "x-delivery-limit": 1_000_000_000 };
}

/** The brokers, running. */
export class Brokers implements AsyncDisposable {
  readonly nodes: readonly Node[];
  readonly queues: readonly string[];
  #options: BrokerOptions;

  constructor(nodes: readonly Node[], options: BrokerOptions) {
    this.nodes = nodes;
    this.#options = options;
    // A classic queue is on one node only, and gone with it as long as that is down.
    this.queues = options.kind === "single"
      ? ["soak.classic", "soak.quorum"]
      : ["soak.quorum.1", "soak.quorum.2"];
  }

  get version(): string {
    return this.nodes[0].version;
  }

  async declare(): Promise<void> {
    const { limited } = this.#options;
    await withChannel(this.nodes[0], async (channel) => {
      for (const queue of [DEAD_QUEUE, ...this.queues]) {
        const args = queueArguments(queue, { limited });
        await channel.assertQueue(queue, { durable: true, arguments: args });
      }
    });
  }

  /** Waits until this node lets clients in. Returns when it did. */
  async accepts(node: Node): Promise<number> {
    for (;;) {
      try {
        await greet(node, { login: node, timeoutMs: ANSWER_MS });
        return Date.now();
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  /** Waits until a message to each queue is confirmed by way of this node. Returns when that was so. */
  async confirms(node: Node): Promise<number> {
    for (;;) {
      try {
        await within(ANSWER_MS, () =>
          withChannel(node, async (channel) => {
            for (const queue of this.queues) {
              channel.sendToQueue(queue, Buffer.from("?"), {
                persistent: true,
                messageId: `canary:${crypto.randomUUID()}`,
              });
            }
            await channel.waitForConfirms();
          }));
        return Date.now();
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  /** The node on which the leader of a queue is. */
  async leaderOf(queue: string): Promise<Node> {
    const running = this.nodes.find((node) => node.pid !== undefined) ?? this.nodes[0];
    const leader = await running.evaluate(`
      {ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"${queue}">>)),
      {_, Leader} = amqqueue:get_pid(Q), Leader`);
    return this.nodes.find((node) => leader.includes(node.name)) ?? running;
  }

  /** Waits until every member of every queue is back and up to date. */
  async complete(): Promise<void> {
    if (this.nodes.length === 1) return;
    for (const node of this.nodes) await this.confirms(node);
  }

  /** How many messages each queue holds, by its name. Those that wait for the broker to dead-letter them are among them. */
  async depths(): Promise<Map<string, number>> {
    const table = await this.nodes[0].ctl("list_queues", "--no-table-headers", "name", "messages");
    const rows = table.trim().split("\n").map((line) => line.split("\t"));
    return new Map(rows.map(([name, count]) => [name, Number(count)]));
  }

  /**
   * How many messages the queues have dropped, by their limits or rejected, as no dead-letter exchange took them. A node
   * counts only since its last start, and RabbitMQ 3.10 does not count them.
   */
  async dropped(): Promise<number> {
    const counts = await Promise.all(this.nodes.map((node) =>
      node.evaluate(`
        lists:sum([Count ||
          {#{dead_letter_strategy := disabled}, Counts} <- maps:to_list(rabbit_global_counters:overview()),
          {_, Count} <- maps:to_list(Counts)])`)
    ));
    return counts.reduce((sum, count) => sum + Number(count), 0);
  }

  /** What the brokers' logs say of settlements of what a channel did not hold. */
  async misacknowledged(): Promise<string[]> {
    const complaints: string[] = [];
    for (const node of this.nodes) {
      for await (const { name, isFile } of Deno.readDir(`${node.folder}/log`)) {
        if (!isFile) continue;
        const text = await Deno.readTextFile(`${node.folder}/log/${name}`);
        complaints.push(
          ...text.split("\n").filter((line) => line.includes("unknown delivery tag")),
        );
      }
    }
    return complaints;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // One that is paused would not obey the request to end.
    for (const node of this.nodes) node.resume();
    for (const node of [...this.nodes].reverse()) await node.stop();
  }
}

async function withChannel<T>(
  node: Node,
  use: (channel: amqp.ConfirmChannel) => Promise<T>,
): Promise<T> {
  const connection = await amqp.connect(
    { hostname: "127.0.0.1", port: node.port },
    { timeout: ANSWER_MS },
  );
  connection.on("error", () => {});
  try {
    const channel = await connection.createConfirmChannel();
    channel.on("error", () => {});
    return await use(channel);
  } finally {
    await within(ANSWER_MS, () => connection.close()).catch(() => {});
  }
}

async function within<T>(ms: number, work: () => Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`It took longer than ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}
