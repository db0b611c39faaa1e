import { assertEquals } from "@std/assert";
import { Consumer, MessageStatus } from "../../mod.ts";
import { connectionForTest } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { topology } from "../support/topology.ts";

Deno.test("Message.body can be transferred, and no other message loses its own", async () => {
  await using made = await topology();
  await using connection = connectionForTest();
  const queue = await made.queue();
  const sent = Array.from({ length: 50 }, (_, index) => index % 10 < 2 ? "" : `body ${index}`);
  await made.fill(queue, sent);
  const received: string[] = [];
  const transferred: Uint8Array[] = [];
  await using consumer = new Consumer({
    connection,
    queueName: queue,
    prefetch: 50,
    taskFunction: (message) => {
      received.push(message.text());
      const { body } = message;
      transferred.push(structuredClone(body, { transfer: [body.buffer as ArrayBuffer] }));
      return MessageStatus.SUCCESS;
    },
  });
  await consumer.start();
  await eventually("all are received", () => received.length >= sent.length);
  assertEquals(received, sent);
  assertEquals(transferred.map((body) => body.buffer.byteLength), sent.map(({ length }) => length));
});
