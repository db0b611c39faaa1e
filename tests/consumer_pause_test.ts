import { assertEquals } from "@std/assert";
import { Connection, Consumer } from "../mod.ts";
import { AmqpServer, delivery } from "./support/amqp_server.ts";
import { eventually } from "./support/eventually.ts";

Deno.test("Consumer that cannot pause, as the broker does not answer, gives its channel up", async () => {
  await using server = new AmqpServer((client, { name, channel, args }) => {
    if (name === "basic.consume") {
      client.behave({ name, channel, args });
      const tag = client.consumerTags.get(channel)!;
      client.send(delivery(channel, tag, 1));
      return true;
    }
    return name === "basic.cancel";
  });
  const { hostname, port } = server;
  const connection = new Connection({ hostname, port, connectTimeoutMs: 1_000, logger: null });
  const hung = Promise.withResolvers<"SUCCESS">();
  const consumer = new Consumer({
    connection,
    queueName: "work",
    taskTimeoutMs: 1,
    taskGraceMs: 0,
    taskFunction: () => hung.promise,
  });
  await consumer.start();
  const count = (name: string) => server.client.calls.filter((call) => call === name).length;
  await eventually("it asks for a pause", () => count("basic.cancel") === 1);
  await eventually("it has another channel", () => count("channel.open") === 2);
  await eventually("that is set up", () => count("basic.qos") === 2);
  assertEquals([count("basic.consume"), consumer.health().status], [1, "down"]);
  hung.resolve("SUCCESS");
  await eventually("it consumes again", () => count("basic.consume") === 2);
  await consumer.stop({ timeoutMs: 100 });
  await connection.close({ timeoutMs: 100 });
});
