// deno task example custom_callback
// = deno run --allow-net=localhost:5672 --allow-env="RABBITMQ_*" examples/custom_callback.ts

import { Consumer, MessageStatus, Publisher, waitForShutdown } from "@lapinmq/lapinmq";
import { declare } from "./support/topology.ts";

const source = "lapinmq.example.orders";
const destination = "lapinmq.example.invoices";
await declare({ queues: [source, destination] });

await using publisher = new Publisher();
await publisher.start();

let total = 0;
await using consumer = new Consumer({
  queueName: source,
  prefetch: 100,
  taskFunction: (message) => {
    const { price } = message.json<{ price: number }>();
    publisher.sendMessageToQueue({
      queueName: destination,
      json: { price, currency: "EUR" },
      callbacks: {
        ackCallback: () => {
          total += price;
          console.log(`invoiced ${price}, ${total} in total`);
          message.ack(); // The library does nothing by itself here.
        },
        nackCallback: message.rejectRetry,
      },
    });
    return MessageStatus.HANDLED_VIA_CALLBACK;
  },
});
await consumer.start();

for (const price of [5, 7, 30]) {
  await publisher.sendMessageToQueue({ queueName: source, json: { price } });
}
await waitForShutdown();
