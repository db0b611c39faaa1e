/** What a connection tells its listeners and its logger. */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { assertStringIncludes } from "@std/assert";
import { ConnectionError, Consumer, MessageStatus, Publisher } from "../../mod.ts";
import { connectionForTest } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { recordingLogger } from "../support/recording_logger.ts";
import { topology } from "../support/topology.ts";

/** Cuts the connection and waits until there is another; tells nobody by listening. */
async function loseAndRegain(proxy: Proxy, publisher: Publisher): Promise<void> {
  proxy.refuse();
  proxy.cut();
  await eventually("the loss is noticed", () => publisher.health().status !== "up");
  proxy.listen();
  await eventually("it is connected again", () => publisher.health().status === "up");
}

const FAST = { reconnect: { initialDelayMs: 10, maxDelayMs: 50 } };

Deno.test("Connection tells each event with its role and cause", async () => {
  await using made = await topology();
  const queueName = await made.queue();
  await using proxy = startProxy();
  const { hostname, port } = proxy;
  await using connection = connectionForTest({ hostname, port, ...FAST });
  const events: { type: string; role: string; cause?: Error; [name: string]: unknown }[] = [];
  for (const type of ["connected", "disconnected", "reconnecting"] as const) {
    connection.addEventListener(type, ({ detail }) => events.push({ type, ...detail }));
  }
  const publisher = new Publisher({ connection });
  const consumer = new Consumer({
    connection,
    queueName,
    taskFunction: () => MessageStatus.SUCCESS,
  });
  await publisher.start();
  await consumer.start();
  assertEquals(events, [
    { type: "connected", role: "publish", hostname, port },
    { type: "connected", role: "consume", hostname, port },
  ]);
  proxy.refuse();
  proxy.cut();
  await eventually(
    "both have tried again",
    () =>
      ["publish", "consume"].every((role) =>
        events.some((event) => event.role === role && event.attempt === 2)
      ),
  );
  proxy.listen();
  for (const role of ["publish", "consume"]) {
    const mine = () => events.filter((event) => event.role === role);
    await eventually("it is connected again", () => mine().at(-1)?.type === "connected");
    const [, lost, ...tries] = mine().slice(0, -1);
    assertEquals(lost.type, "disconnected");
    assertInstanceOf(lost.cause, ConnectionError);
    for (const [index, one] of tries.entries()) {
      assertEquals([one.type, one.attempt], ["reconnecting", index + 1]);
      assert(one.delayMs as number >= 0 && one.delayMs as number <= 50);
      assertInstanceOf(one.cause, ConnectionError);
    }
    // The first attempt follows the loss; a later one says what the attempt before met.
    assertStringIncludes(tries[1].cause!.message, "nothing listens");
  }
});

Deno.test("Connection and Publisher isolate listeners that throw or reject (47)", async () => {
  await using made = await topology();
  const queueName = await made.queue();
  await using connection = connectionForTest();
  const problems: string[] = [];
  connection.addEventListener("error", ({ detail }) => {
    problems.push(`${detail.message}: ${(detail.error as Error).message}`);
    throw new Error("even the error listener");
  });
  let heard = 0;
  connection.addEventListener("connected", () => {
    throw new Error("threw");
  });
  connection.addEventListener("connected", () => Promise.reject(new Error("rejected")));
  connection.addEventListener("connected", () => heard++);
  const publisher = new Publisher({ connection });
  publisher.addEventListener("channellost", () => {
    throw new Error("from channellost");
  });
  publisher.addEventListener("error", ({ detail }) => {
    problems.push(`${detail.message}: ${(detail.error as Error).message}`);
  });
  await publisher.start();
  const bad = publisher.sendMessage({ exchange: made.unused(), body: "" });
  const good = publisher.sendMessageToQueue({ queueName, body: "" });
  const outcomes = await Promise.allSettled([bad, good]);
  assertEquals(outcomes.map((one) => one.status), ["rejected", "fulfilled"]);
  await eventually("all are told", () => problems.length >= 3);
  assertEquals(problems.sort(), [
    `the "channellost" listener threw: from channellost`,
    `the "connected" listener rejected: rejected`,
    `the "connected" listener threw: threw`,
  ]);
  assertEquals(heard, 1);
});

Deno.test("Publisher tells why its channel was lost, and how many messages were unconfirmed", async () => {
  await using made = await topology();
  const queueName = await made.queue();
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  const losses: { cause: Error; unconfirmed: number }[] = [];
  publisher.addEventListener("channellost", ({ detail }) => losses.push(detail));
  await publisher.start();
  const exchange = made.unused();
  const sends = [
    publisher.sendMessage({ exchange, body: "" }),
    publisher.sendMessageToQueue({ queueName, body: "" }),
  ];
  await Promise.allSettled(sends);
  // The broker closes the channel at the first of the two, and looks at no other after it.
  assertEquals(losses.map((loss) => loss.unconfirmed), [2]);
  assertStringIncludes(losses[0].cause.message, exchange);
});

Deno.test("Connection takes listeners off again: once, signal, removeEventListener", async () => {
  await using connection = connectionForTest();
  const heard: string[] = [];
  const removed = () => heard.push("removed");
  const aborter = new AbortController();
  connection.addEventListener("connected", () => heard.push("once"), { once: true });
  connection.addEventListener("connected", () => heard.push("signal"), { signal: aborter.signal });
  connection.addEventListener("connected", removed);
  connection.removeEventListener("connected", removed);
  const publisher = new Publisher({ connection });
  await publisher.start();
  await connection.close();
  aborter.abort();
  await publisher.start();
  assertEquals(heard, ["once", "signal"]);
});

Deno.test("Connection logs ordinary events as info, and problems that no listener takes as warnings", async () => {
  await using made = await topology();
  const queueName = await made.queue();
  await using proxy = startProxy();
  const { hostname, port } = proxy;
  const { logger, lines } = recordingLogger();
  await using connection = connectionForTest({ hostname, port, logger, ...FAST });
  const publisher = new Publisher({ connection });
  await publisher.start();
  assertEquals(lines.map((line) => line.level), ["info"]);
  assertStringIncludes(lines[0].message, `${hostname}:${port}`);
  proxy.cut();
  await eventually(
    "it is connected again",
    () => lines.at(-1)?.level === "info" && lines.length > 1,
  );
  const warnings = lines.filter((line) => line.level === "warn").map((line) => line.message);
  assert(warnings.length >= 2, "Neither the loss nor the attempt was logged");
  lines.length = 0;
  await publisher.sendMessageToQueue({
    queueName,
    body: "",
    callbacks: {
      ackCallback: () => {
        throw new Error("mine");
      },
    },
  });
  assertEquals(lines.map(({ level, message }) => ({ level, message })), [
    { level: "warn", message: "the ackCallback threw" },
  ]);
  assertEquals((lines[0].data[0] as Error).message, "mine");
});

Deno.test("Connection goes on where its logger throws", async () => {
  await using proxy = startProxy();
  const { hostname, port } = proxy;
  const fail = () => {
    throw new Error("from the logger");
  };
  const printed: unknown[][] = [];
  const { warn } = console;
  console.warn = (...data) => printed.push(data);
  try {
    const logger = { debug: fail, info: fail, warn: fail, error: fail };
    await using connection = connectionForTest({ hostname, port, logger, ...FAST });
    const publisher = new Publisher({ connection });
    await publisher.start();
    await loseAndRegain(proxy, publisher);
  } finally {
    console.warn = warn;
  }
  const first = printed[0].map(String).join(" ");
  for (const part of ["the logger failed", "from the logger"]) assertStringIncludes(first, part);
});

for (const [logger, prints] of [[undefined, true], [null, false]] as const) {
  const title = prints
    ? "Connection without a logger prints problems, and nothing else"
    : "Connection with logger null is silent";
  Deno.test(title, async () => {
    await using proxy = startProxy();
    const { hostname, port } = proxy;
    const printed: string[] = [];
    const methods = ["debug", "log", "info", "warn", "error"] as const;
    const before = methods.map((method) => console[method]);
    for (const method of methods) {
      console[method] = (...data: unknown[]) => printed.push(`${method}: ${data.join(" ")}`);
    }
    try {
      await using connection = connectionForTest({ hostname, port, logger, ...FAST });
      const publisher = new Publisher({ connection });
      await publisher.start();
      assertEquals(printed, []);
      await loseAndRegain(proxy, publisher);
    } finally {
      methods.forEach((method, index) => console[method] = before[index]);
    }
    assertEquals(printed.length > 0, prints);
    for (const line of printed) assert(line.startsWith("warn: lapinmq: "), line);
  });
}
