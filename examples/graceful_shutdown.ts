// deno task example graceful_shutdown
// = deno run --allow-net=localhost:5672 --allow-env="RABBITMQ_*" examples/graceful_shutdown.ts

import { delay } from "@std/async/delay";
import { Consumer, MessageStatus, Publisher, waitForShutdown } from "@lapinmq/lapinmq";
import { declare } from "./support/topology.ts";

const queueName = "lapinmq.example.slow_tasks";
await declare({ queues: [queueName] });

const publisher = new Publisher();
await publisher.start();
for (let task = 1; task <= 20; task++) {
  await publisher.sendMessageToQueue({ queueName, body: `task ${task}` });
}
await publisher.stop();

const consumer = new Consumer({
  queueName,
  workers: 3,
  prefetch: 10,
  taskFunction: async (message) => {
    console.log(`began ${message.text()}`);
    // A task that obeys the signal ends when the drain below runs out of time.
    await delay(2_000, { signal: message.signal });
    console.log(`finished ${message.text()}`);
    return MessageStatus.SUCCESS;
  },
});
await consumer.start();

console.log("Ctrl-C or SIGTERM ends it, after the tasks that have begun");
await waitForShutdown();
// Below the 30 s that Kubernetes allows. The rest goes back to the queue at once.
const { completed, released, abandoned } = await consumer.stop({ timeoutMs: 25_000 });
console.log(`${completed} completed, ${released} given back, ${abandoned} abandoned`);
