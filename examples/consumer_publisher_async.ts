// deno task example consumer_publisher_async
// = deno run --allow-net=localhost:5672 --allow-env="RABBITMQ_*" examples/consumer_publisher_async.ts

import { Consumer, MessageStatus, Publisher, waitForShutdown } from "@lapinmq/lapinmq";
import { declare } from "./support/topology.ts";

const source = "lapinmq.example.source";
const destination = "lapinmq.example.destination";
await declare({ queues: [source, destination] });

// Disposed of in reverse: the consumer waits for the confirms that its messages wait for.
await using publisher = new Publisher({ kind: "async" });
await publisher.start();

await using consumer = new Consumer({
  queueName: source,
  prefetch: 100, // so many may wait for their confirms
  taskFunction: (message) => {
    const body = message.text().toUpperCase();
    console.log(`passing on ${body}`);
    publisher.sendMessageToQueue({
      queueName: destination,
      body,
      // What becomes of this message decides what becomes of the source message.
      callbacks: { ackCallback: message.ack, nackCallback: message.rejectRetry },
    });
    return MessageStatus.HANDLED_VIA_CALLBACK;
  },
});
await consumer.start();

for (const body of ["one", "two", "three"]) {
  await publisher.sendMessageToQueue({ queueName: source, body });
}
console.log("Ctrl-C ends it");
await waitForShutdown();
