// deno task example cpu_worker_process
// = deno run --allow-net=localhost:5672 --allow-env --allow-run examples/cpu_worker_process.ts

import { Consumer, Publisher, waitForShutdown } from "@lapinmq/lapinmq";
import { declare } from "./support/topology.ts";

const queueName = "lapinmq.example.numbers";
await declare({ queues: [queueName] });

await using publisher = new Publisher();
await publisher.start();
for (const below of [3_000_000, 3_100_000, 3_200_000, 3_300_000]) {
  await publisher.sendMessageToQueue({ queueName, json: below });
}

await using consumer = new Consumer({
  queueName,
  taskModule: new URL("./support/count_primes.ts", import.meta.url),
  workers: 2,
  // A process can be killed, which a thread cannot: after a minute, and five seconds of grace.
  isolation: "process",
  taskTimeoutMs: 60_000,
  taskGraceMs: 5_000,
  // It may do nothing but compute, and use 256 MiB of memory.
  taskPermissions: "none",
  taskRunFlags: ["--v8-flags=--max-old-space-size=256"],
});
await consumer.start();

console.log("Ctrl-C ends it, after the tasks that have begun");
await waitForShutdown();
