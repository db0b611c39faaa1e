// deno task example receive
// = deno run --allow-net=localhost:5672 --allow-env="RABBITMQ_*" examples/receive.ts

import { delay } from "@std/async/delay";
import { Consumer, MessageStatus, waitForShutdown } from "@lapinmq/lapinmq";
import { declare } from "./support/topology.ts";

const queueName = "lapinmq.example.tasks";
await declare({ queues: [queueName] });

await using consumer = new Consumer({
  queueName,
  workers: 3, // messages in parallel
  taskFunction: async (message) => {
    console.log(`received ${message.text()}`);
    await delay(500);
    console.log(`finished ${message.text()}`);
    // Or FAIL_RETRY_LATER, as for anything that is thrown; or FAIL_DO_NOT_RETRY.
    return MessageStatus.SUCCESS;
  },
});
await consumer.start();

console.log(`waiting for messages in ${queueName}; Ctrl-C ends it`);
await waitForShutdown();
