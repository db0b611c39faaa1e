/**
 * What has to work wherever the library is said to run: a line for each result. It knows no runtime
 * and none of the tools of the other tests, so that any runtime can run it.
 */

import net from "node:net";
import process from "node:process";
import amqplib from "amqplib";
import {
  ConfigurationError,
  Connection,
  type ConnectionOptions,
  Consumer,
  type Message,
  MessageStatus,
  Publisher,
  type TaskPlace,
} from "@lapinmq/lapinmq";

const variable = (name: string): string => process.env[name] ?? "";
const url = variable("RABBITMQ_URL");
const CHECK_MS = 15_000;

const broker = await amqplib.connect(url);
const channel = await broker.createChannel();
const queues: string[] = [];

async function newQueue(deadLetterQueue?: string): Promise<string> {
  const options = deadLetterQueue === undefined ? {} : {
    deadLetterExchange: "",
    deadLetterRoutingKey: deadLetterQueue,
  };
  const { queue } = await channel.assertQueue(`lapinmq.matrix.${crypto.randomUUID()}`, options);
  queues.push(queue);
  return queue;
}

const count = async (queue: string): Promise<number> =>
  (await channel.checkQueue(queue)).messageCount;

function expectEqual(what: string, actual: unknown, expected: unknown): void {
  const [one, other] = [actual, expected].map((value) => JSON.stringify(value));
  if (one !== other) throw new Error(`${what}: ${one}, and not ${other}`);
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + CHECK_MS;
  while (!await holds()) {
    if (Date.now() > end) throw new Error(`It never came that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Uses a connection, a publisher on it that has started, and a function that starts consumers. */
async function using(
  options: ConnectionOptions,
  use: (
    publisher: Publisher,
    consume: (queueName: string, place: TaskPlace, workers?: number) => Promise<Consumer>,
  ) => Promise<void>,
): Promise<void> {
  const reconnect = { initialDelayMs: 10, maxDelayMs: 100 };
  const connection = new Connection({ logger: null, reconnect, ...options });
  try {
    const publisher = new Publisher({ connection });
    await publisher.start();
    await use(publisher, async (queueName, place, workers = 1) => {
      const prefetch = 50;
      const common = { connection, queueName, workers, prefetch, retryDelayMs: 10 };
      const consumer = new Consumer({ ...common, ...place });
      await consumer.start();
      return consumer;
    });
  } finally {
    await connection.close({ timeoutMs: 5_000 });
  }
}

async function exchange(options: ConnectionOptions): Promise<void> {
  const queueName = await newQueue();
  await using(options, async (publisher, consume) => {
    const sizes = [0, 1, 100, 70_000, 300_000, 1_000_000];
    const received: number[] = [];
    const headers = { text: "é€😀", when: new Date(0), bytes: new Uint8Array([1, 2]) };
    const wrong: unknown[] = [];
    await consume(queueName, {
      taskFunction: ({ body, headers }) => {
        received.push(body.length);
        if (body.some((byte) => byte !== body.length % 251)) wrong.push(body.length);
        const { text, when, bytes } = headers;
        if (text !== "é€😀" || !(when instanceof Date) || String(bytes) !== "1,2") {
          wrong.push(headers);
        }
        return MessageStatus.SUCCESS;
      },
    });
    const bodies = sizes.map((size) => new Uint8Array(size).fill(size % 251));
    await Promise.all(
      bodies.map((body) => publisher.sendMessageToQueue({ queueName, body, headers })),
    );
    await until("all has arrived", () => received.length === sizes.length);
    expectEqual("sizes", received, sizes);
    expectEqual("what is wrong", wrong, []);
    let refused: unknown;
    await publisher.sendMessageToQueue({ queueName: `${queueName}.none`, body: "x" })
      .catch((error: Error) => refused = error.name);
    expectEqual("a send to nowhere", refused, "UnroutableError");
  });
  expectEqual("what is left", await count(queueName), 0);
}

async function everyStatus(): Promise<void> {
  const dead = await newQueue();
  const queueName = await newQueue(dead);
  const seen: string[] = [];
  await using({ url }, async (publisher, consume) => {
    const held: Message[] = [];
    const consumer = await consume(queueName, {
      taskFunction: (message) => {
        const status = message.text() as MessageStatus | "throw";
        seen.push(`${status} ${message.redelivered}`);
        if (message.redelivered) return MessageStatus.SUCCESS;
        if (status === "throw") throw new Error("as it is to");
        if (status === MessageStatus.HANDLED_VIA_CALLBACK) held.push(message);
        return status;
      },
    });
    consumer.addEventListener("taskfailed", () => {});
    for (const body of [...Object.values(MessageStatus), "throw"]) {
      await publisher.sendMessageToQueue({ queueName, body });
    }
    await until("all were worked on", () => seen.length === 7 && held.length === 1);
    held[0].ack();
    await until("one is dead-lettered", async () => await count(dead) === 1);
  });
  expectEqual("what was seen", seen.sort(), [
    "FAIL_DO_NOT_RETRY false",
    "FAIL_RETRY_LATER false",
    "FAIL_RETRY_LATER true",
    "HANDLED_VIA_CALLBACK false",
    "SUCCESS false",
    "throw false",
    "throw true",
  ]);
  expectEqual("what is left", [await count(queueName), await count(dead)], [0, 1]);
}

async function isolated(isolation: "thread" | "process"): Promise<void> {
  const dead = await newQueue();
  const queueName = await newQueue(dead);
  const taskModule = new URL("./task.ts", import.meta.url);
  await using({ url }, async (publisher, consume) => {
    const place = { taskModule, isolation } as TaskPlace;
    const headers = { when: new Date(0), bytes: new Uint8Array([1, 2, 3]) };
    const consumer = await consume(queueName, place, 2);
    for (const body of ["once", "again", "", "x".repeat(100_000)]) {
      await publisher.sendMessageToQueue({ queueName, body, headers });
    }
    await publisher.sendMessageToQueue({ queueName, body: "without headers" });
    await until("the last, and what failed twice, are dead-lettered", async () => {
      return await count(dead) === 2;
    });
    // What no thread or process has begun with goes back.
    const { abandoned, released } = await consumer.stop();
    expectEqual("what was given up", abandoned, 0);
    await until("what is left is what went back", async () => await count(queueName) === released);
  });
  expectEqual("what was dead-lettered", await count(dead), 2);
}

function refusesProcesses(): void {
  const taskModule = new URL("./task.ts", import.meta.url);
  try {
    new Consumer({ queueName: "none", taskModule, isolation: "process" });
  } catch (error) {
    const { message } = error as Error;
    if (error instanceof ConfigurationError && message.includes("2.6.0 or later")) return;
    throw error;
  }
  throw new Error("It was not refused");
}

/** A way to the broker that can be cut. */
async function startProxy(): Promise<{ port: number; cut(): void; close(): void }> {
  const { hostname, port } = new URL(url);
  const sockets = new Set<net.Socket>();
  const server = net.createServer((client) => {
    const upstream = net.connect(Number(port || 5672), hostname);
    for (const [from, to] of [[client, upstream], [upstream, client]]) {
      sockets.add(from);
      from.on("error", () => {});
      from.on("close", () => to.destroy());
      from.pipe(to);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cut = () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  return {
    port: (server.address() as net.AddressInfo).port,
    cut,
    close: () => {
      cut();
      server.close();
    },
  };
}

async function killedConnection(): Promise<void> {
  const queueName = await newQueue();
  const proxy = await startProxy();
  const { username, password } = new URL(url);
  const way = { hostname: "127.0.0.1", port: proxy.port, username, password };
  try {
    await using(way, async (publisher, consume) => {
      publisher.connection.addEventListener("disconnected", () => {});
      publisher.addEventListener("channellost", () => {});
      const seen = new Set<string>();
      const consumer = await consume(queueName, {
        taskFunction: (message) => {
          seen.add(message.text());
          return MessageStatus.SUCCESS;
        },
      });
      consumer.addEventListener("channellost", () => {});
      const send = (from: number) =>
        Array.from(
          { length: 100 },
          (_, index) => publisher.sendMessageToQueue({ queueName, body: `${from + index}` }),
        );
      await Promise.all(send(0));
      for (const round of [1, 2]) {
        const sent = send(round * 100);
        proxy.cut();
        await Promise.all(sent);
      }
      await until("all has arrived", () => seen.size === 300);
      const { status } = consumer.health();
      expectEqual("how it is", status, "up");
    });
  } finally {
    proxy.close();
  }
  expectEqual("what is left", await count(queueName), 0);
}

const tls = { caCerts: [variable("MATRIX_CA")] };
const checks: Record<string, () => void | Promise<void>> = {
  "send and receive": () => exchange({ url }),
  "every status": everyStatus,
  "thread": () => isolated("thread"),
  "process": () =>
    variable("MATRIX_PROCESS") === "refused" ? refusesProcesses() : isolated("process"),
  "TLS": () => exchange({ url: variable("MATRIX_TLS_URL"), tls }),
  "a killed connection": killedConnection,
};

for (const [name, check] of Object.entries(checks)) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("It is not done in time")), 2 * CHECK_MS);
    });
    await Promise.race([check(), late]);
    console.log(`ok ${name}`);
  } catch (error) {
    console.log(`not ok ${name}: ${error instanceof Error ? error.message : error}`);
  } finally {
    clearTimeout(timer);
  }
}
for (const queue of queues) await channel.deleteQueue(queue);
await broker.close();
