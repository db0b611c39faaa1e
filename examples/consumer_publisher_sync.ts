// deno task example consumer_publisher_sync
// = deno run --allow-net=localhost:5672 --allow-env="RABBITMQ_*" examples/consumer_publisher_sync.ts

import { Consumer, MessageStatus, Publisher, waitForShutdown } from "@lapinmq/lapinmq";
import { declare } from "./support/topology.ts";

const source = "lapinmq.example.source";
const destination = "lapinmq.example.destination";
await declare({ queues: [source, destination] });

// Disposed of in reverse: the consumer finishes its tasks before their publisher stops.
await using publisher = new Publisher({ kind: "sync" });
await publisher.start();

await using consumer = new Consumer({
  queueName: source,
  workers: 3,
  taskFunction: async (message) => {
    const body = message.text().toUpperCase();
    // If this rejects, the task has failed: the source message is retried later.
    await publisher.sendMessageToQueue({ queueName: destination, body });
    console.log(`passed on ${body}`);
    // The broker has the result, so the source message may go.
    return MessageStatus.SUCCESS;
  },
});
await consumer.start();

for (const body of ["one", "two", "three"]) {
  await publisher.sendMessageToQueue({ queueName: source, body });
}
console.log("Ctrl-C ends it");
await waitForShutdown();
