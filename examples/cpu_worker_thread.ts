// deno task example cpu_worker_thread
// = deno run --allow-net=localhost:5672 --allow-env="RABBITMQ_*" --allow-read=. examples/cpu_worker_thread.ts

import { Consumer, Publisher, waitForShutdown } from "@lapinmq/lapinmq";
import { declare } from "./support/topology.ts";

const queueName = "lapinmq.example.numbers";
await declare({ queues: [queueName] });

await using publisher = new Publisher();
await publisher.start();
for (const below of [3_000_000, 3_100_000, 3_200_000, 3_300_000]) {
  await publisher.sendMessageToQueue({ queueName, json: below });
}

// The task computes in two threads, and heartbeats go on beside it. A thread reads the modules that
// it runs: --allow-read=.
await using consumer = new Consumer({
  queueName,
  taskModule: new URL("./support/count_primes.ts", import.meta.url),
  workers: 2,
});
await consumer.start();

console.log("Ctrl-C ends it, after the tasks that have begun");
await waitForShutdown();
