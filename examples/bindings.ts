// deno task example bindings
// = deno run --allow-net=localhost:5672 --allow-env="RABBITMQ_*" examples/bindings.ts

import {
  Consumer,
  MessageStatus,
  Publisher,
  UnroutableError,
  waitForShutdown,
} from "@lapinmq/lapinmq";
import { declare } from "./support/topology.ts";

const queueName = "lapinmq.example.paint";
const exchange = "lapinmq.example.color";
await declare({ queues: [queueName], exchanges: { [exchange]: "direct" } });

await using consumer = new Consumer({
  queueName,
  exchange,
  bindingKeys: ["black", "red"],
  taskFunction: (message) => {
    console.log(`received ${message.routingKey}: ${message.text()}`);
    return MessageStatus.SUCCESS;
  },
});
await consumer.start();

await using publisher = new Publisher({ kind: "sync" });
await publisher.start();
for (const routingKey of ["black", "red", "green"]) {
  try {
    await publisher.sendMessage({ exchange, routingKey, body: `a ${routingKey} wall` });
  } catch (error) {
    if (!(error instanceof UnroutableError)) throw error;
    console.log(`nobody receives ${error.routingKey}`);
  }
}
console.log("Ctrl-C ends it");
await waitForShutdown();
