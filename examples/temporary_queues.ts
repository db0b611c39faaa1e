// deno task example temporary_queues
// = deno run --allow-net=localhost:5672 --allow-env="RABBITMQ_*" examples/temporary_queues.ts

import { Connection, Consumer, MessageStatus, Publisher, waitForShutdown } from "@lapinmq/lapinmq";
import { declare } from "./support/topology.ts";

const exchange = "lapinmq.example.logs";
await declare({ exchanges: { [exchange]: "direct" } });

// Closes whatever uses it, too.
await using connection = new Connection();

/** Prints the messages with these keys, through a queue of its own that goes when it stops. */
async function listen(name: string, bindingKeys: string[]): Promise<void> {
  const consumer = new Consumer({
    connection,
    queueName: "", // the broker names it
    exchange,
    bindingKeys,
    taskFunction: (message) => {
      console.log(`${name} received ${message.routingKey}`);
      return MessageStatus.SUCCESS;
    },
  });
  await consumer.start();
  console.log(`${name} has ${consumer.queueName}`);
}

await listen("first", ["info"]);
await listen("second", ["info", "warning"]);
await listen("third", ["info", "warning", "error"]);

const publisher = new Publisher({ connection });
await publisher.start();
for (const routingKey of ["info", "warning", "error"]) {
  await publisher.sendMessage({ exchange, routingKey, body: "something happened" });
}
await waitForShutdown();
