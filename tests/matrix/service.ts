/** A service that is told to end while its task runs: it finishes that, and gives back the rest. */

import { Buffer } from "node:buffer";
import process from "node:process";
import amqplib from "amqplib";
import { Connection, Consumer, MessageStatus, Publisher, run } from "@lapinmq/lapinmq";

const url = process.env.RABBITMQ_URL;
const queueName = `lapinmq.matrix.${crypto.randomUUID()}`;
const broker = await amqplib.connect(url!);
const channel = await broker.createChannel();
await channel.assertQueue(queueName);
for (const body of ["one", "two"]) channel.sendToQueue(queueName, Buffer.from(body));

const connection = new Connection({ url, logger: null });
const publisher = new Publisher({ connection });
const consumer = new Consumer({
  connection,
  queueName,
  prefetch: 2,
  taskFunction: async () => {
    process.once("SIGTERM", () => setTimeout(() => done.resolve(), 100));
    const done = Promise.withResolvers<void>();
    console.log("working");
    await done.promise;
    return MessageStatus.SUCCESS;
  },
});
const { exitCode, abandoned } = await run({ publishers: [publisher], consumers: [consumer] });
const { messageCount } = await channel.checkQueue(queueName);
console.log(`ended ${exitCode}, ${abandoned} abandoned, ${messageCount} left`);
await channel.deleteQueue(queueName);
await broker.close();
