/** Input that was made to do harm, and a great deal of it. */

import { Buffer } from "node:buffer";
import { assert, assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { Consumer, type ConsumerEventMap, MessageDecodeError, MessageStatus } from "../../mod.ts";
import {
  AmqpServer,
  byte,
  closing,
  frame,
  long,
  longlong,
  method,
  short,
  shortstr,
} from "../support/amqp_server.ts";
import { broker, connectionForTest } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { onChannel } from "../support/on_channel.ts";
import { program } from "../support/program.ts";
import { recordingLogger } from "../support/recording_logger.ts";
import { assertNoSecret } from "../support/secrets.ts";
import { heldTask } from "../support/tasks.ts";
import { topology } from "../support/topology.ts";

/** A delivery whose header frame has this size of body and this table of headers. */
function crooked(channel: number, tag: string, bodySize: number[], table: number[]): number[] {
  const flags = 1 << 13; // Headers alone.
  return [
    ...method(channel, "basic.deliver", [
      ...shortstr(tag),
      ...longlong(1),
      ...byte(0),
      ...shortstr(""),
      ...shortstr("work"),
    ]),
    ...frame(2, channel, [
      ...short(60),
      ...short(0),
      ...bodySize,
      ...short(flags),
      ...long(table.length),
      ...table,
    ]),
  ];
}

/** The frames of a message to a queue, with a content type and this table of headers. */
function publish(channel: number, queue: string, body: string, table: readonly number[]): number[] {
  const bytes = [...new TextEncoder().encode(body)];
  const flags = 1 << 15 | 1 << 13;
  return [
    ...method(channel, "basic.publish", [
      ...short(0),
      ...shortstr(""),
      ...shortstr(queue),
      ...byte(0),
    ]),
    ...frame(2, channel, [
      ...short(60),
      ...short(0),
      ...longlong(bytes.length),
      ...short(flags),
      ...shortstr("text/plain"),
      ...long(table.length),
      ...table,
    ]),
    ...frame(3, channel, bytes),
  ];
}

/** What amqplib's types leave out. */
interface RawChannel {
  readonly connection: { sendBytes(bytes: Uint8Array): void };
}

/** Lists in lists in lists. */
function nested(depth: number): number[] {
  const head: number[] = [];
  for (let level = depth; level > 0; level--) {
    head.push("A".charCodeAt(0), ...long((level - 1) * 5));
  }
  return [...shortstr("x"), ...head];
}

Deno.test("59 deeply nested headers: that message alone is rejected, the connection and others go on", async () => {
  await using made = await topology();
  const dead = await made.queue();
  const queue = await made.queue({
    arguments: { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead },
  });
  await using connection = connectionForTest();
  const lost: Error[] = [];
  connection.addEventListener("disconnected", ({ detail }) => lost.push(detail.cause));
  const failures: ConsumerEventMap["taskfailed"][] = [];
  const bodies: string[] = [];
  const headers: number[] = [];
  const consumer = new Consumer({
    connection,
    queueName: queue,
    taskFunction: (message) => {
      headers.push(Object.keys(message.headers).length);
      bodies.push(message.text());
      return MessageStatus.SUCCESS;
    },
  });
  consumer.addEventListener("taskfailed", ({ detail }) => failures.push(detail));
  consumer.addEventListener("channellost", ({ detail }) => lost.push(detail.cause));
  await onChannel(broker.url, async (channel) => {
    const send = (body: string, table: readonly number[]) =>
      (channel as unknown as RawChannel).connection.sendBytes(
        Uint8Array.from(publish(1, queue, body, table)),
      );
    send("before", []);
    send("poison", nested(25_000));
    send("nested a little", nested(3));
    for (const depth of [1_000, 4_000, 10_000]) send(`${depth}`, nested(depth));
    send("after", []);
    await consumer.start();
    await eventually("the last message arrives", () => bodies.includes("after"));
    await eventually("all are settled", () => bodies.length + failures.length === 7);
  });
  await consumer.stop();
  assertEquals(lost, []);
  assertEquals([bodies, headers], [["before", "nested a little", "after"], [0, 1, 0]]);
  assertEquals(failures.map(({ message }) => message.text()), ["poison", "1000", "4000", "10000"]);
  for (const { error, outcome, message } of failures) {
    assertInstanceOf(error, MessageDecodeError);
    assertStringIncludes(error.message, "headers");
    assertEquals([outcome, message.properties.contentType], ["reject", "text/plain"]);
  }
  await made.waitForCount(dead, failures.length);
  await made.waitForCount(queue, 0);
});

Deno.test("61 a body that claims 1 TB: nothing is set aside for it, and stop() returns in time", async () => {
  await using server = new AmqpServer((client, { name, channel }) => {
    if (name !== "basic.consume") return false;
    client.behave({ name, channel, args: new Uint8Array() });
    const tag = client.consumerTags.get(channel)!;
    client.send(
      crooked(channel, tag, [...long(2 ** 8), ...long(0)], []),
      frame(3, channel, Array.from({ length: 1_000 }, () => 7)),
    );
    return true;
  });
  const { hostname, port } = server;
  await using connection = connectionForTest({ hostname, port, connectTimeoutMs: 1_000 });
  const task = heldTask();
  const consumer = new Consumer({ connection, queueName: "work", taskFunction: task });
  consumer.addEventListener("channellost", () => {});
  const before = Deno.memoryUsage().rss;
  await consumer.start();
  assert(Deno.memoryUsage().rss - before < 256 * 1024 * 1024);
  assertEquals(await consumer.stop({ timeoutMs: 500 }), {
    completed: 0,
    released: 0,
    abandoned: 0,
  });
  assertEquals(task.messages.length, 0);
});

Deno.test("65 a backlog of a million messages: memory stays bounded by prefetch", async () => {
  const total = 1_000_000;
  await using made = await topology();
  const queue = await made.queue();
  await onChannel(broker.url, async (channel) => {
    for (let sent = 0; sent < total;) {
      for (const end = sent + 20_000; sent < end; sent++) {
        channel.sendToQueue(queue, Buffer.from("x"), { messageId: `${sent}` });
      }
      await channel.waitForConfirms();
    }
  });
  await using worker = await program(
    `
      import { Consumer } from "@lapinmq/lapinmq";
      let done = 0, running = 0, most = 0, rss = 0;
      const first = Deno.memoryUsage().rss;
      const enough = Promise.withResolvers();
      const consumer = new Consumer({
        queueName: ${JSON.stringify(queue)},
        workers: 10,
        prefetch: 100,
        taskFunction: async () => {
          most = Math.max(most, ++running);
          await new Promise((resolve) => setTimeout(resolve));
          running--;
          rss = Math.max(rss, Deno.memoryUsage().rss);
          if (++done === 5_000) enough.resolve();
          return "SUCCESS";
        },
      });
      await consumer.start();
      await enough.promise;
      await consumer.stop();
      console.log(JSON.stringify({ most, grown: rss - first }));
    `,
    { flags: ["--allow-all", "--v8-flags=--max-old-space-size=64"] },
  );
  const { code } = await worker.ended;
  assertEquals([code, worker.output.stderr], [0, ""]);
  const { most, grown } = JSON.parse(worker.output.stdout);
  assertEquals(most, 10);
  // A million of them, even without their bodies, would be several times as much.
  assert(grown < 128 * 1024 * 1024, `The process has grown by ${grown} bytes`);
});

Deno.test("83 control characters and a password in what a server says: printed escaped and masked", async () => {
  const password = "s3cret-Passw0rd";
  const name = "q\u001b]0;title\u0007\u202e";
  const hostile = `\u001b[2J\nERROR forged ${password} ${name}`;
  let mode: "refuse" | "block" | "close the channel" | "hang up" = "refuse";
  await using server = new AmqpServer((client, { name: called, channel }) => {
    if (mode === "refuse" && called === "connection.start-ok") {
      client.call(0, "connection.close", closing(403, `ACCESS_REFUSED - ${hostile}`));
    } else if (mode === "block" && called === "basic.consume") {
      client.call(0, "connection.blocked", shortstr(hostile));
      return false;
    } else if (mode === "close the channel" && called === "queue.declare") {
      client.call(
        channel,
        "channel.close",
        closing(404, `no queue '${name}' in vhost '/' ${hostile}`),
      );
    } else if (mode === "hang up" && called === "queue.declare") {
      client.call(0, "connection.close", closing(320, hostile));
    } else return false;
    return true;
  });
  const { logger, lines } = recordingLogger();
  const { hostname, port } = server;
  const seen: unknown[] = [];
  for (mode of ["refuse", "close the channel", "hang up", "block"] as const) {
    await using connection = connectionForTest({
      hostname,
      port,
      username: "user",
      password,
      logger,
      startTimeoutMs: 1_000,
    });
    for (const type of ["blocked", "disconnected", "reconnecting", "error"] as const) {
      connection.addEventListener(type, ({ detail }) => seen.push(detail));
    }
    const consumer = new Consumer({
      connection,
      queueName: "work",
      taskFunction: () => MessageStatus.SUCCESS,
    });
    await consumer.start().then(() => seen.push(mode), (error) => seen.push(error));
    if (mode === "block") {
      await eventually("it is blocked", () => connection.health().status === "blocked");
    }
    seen.push(connection.health(), connection.health().reason);
    await consumer.stop();
  }
  const texts = [...seen, ...lines].map((value) =>
    typeof value === "string" ? value : Deno.inspect(value, { depth: 9 })
  );
  assertNoSecret(password, ...seen, ...lines);
  assert(texts.filter((text) => text.includes("ERROR forged")).length >= 4, texts.join("\n"));
  for (const text of texts) {
    // deno-lint-ignore no-control-regex
    assert(!/[\u001b\u0007]|^ERROR forged/m.test(text), text);
  }
  for (const { message } of lines) assert(!/[\n\u202e]/.test(message), message);
});

Deno.test("83 control characters in a message: not printed raw where it is inspected", async () => {
  await using made = await topology();
  const queue = await made.queue();
  const hostile = "\u001b[2J\u202e\u0007";
  await using connection = connectionForTest();
  const shown = Promise.withResolvers<string>();
  await using consumer = new Consumer({
    connection,
    queueName: queue,
    taskFunction: (message) => {
      let failure: unknown;
      try {
        message.json();
      } catch (error) {
        failure = error;
      }
      shown.resolve(`${Deno.inspect(message)} ${Deno.inspect(failure)} ${failure}`);
      return MessageStatus.SUCCESS;
    },
  });
  await consumer.start();
  const { channel } = made;
  channel.sendToQueue(queue, Buffer.from(hostile), {
    messageId: hostile,
    headers: { [hostile]: hostile },
  });
  const text = await shown.promise;
  // deno-lint-ignore no-control-regex
  assert(!/[\u001b\u0007\u202e]/.test(text), text);
  assertStringIncludes(text, "u202e");
});
