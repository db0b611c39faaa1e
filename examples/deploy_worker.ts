// deno task example deploy_worker
// = deno run --allow-net=localhost:5672,0.0.0.0:8000 --allow-env="RABBITMQ_*" examples/deploy_worker.ts

import { Consumer, MessageStatus, waitForShutdown } from "@lapinmq/lapinmq";
import { declare } from "./support/topology.ts";

// Where the broker is comes from the environment: set RABBITMQ_URL where this is deployed.
const queueName = "lapinmq.example.jobs";
await declare({ queues: [queueName] });

const consumer = new Consumer({
  queueName,
  workers: 10,
  taskTimeoutMs: 60_000,
  taskFunction: (message) => {
    console.log(`received ${message.text()}`);
    return MessageStatus.SUCCESS;
  },
});

// The platform asks this whether the worker is well.
const server = Deno.serve(() => {
  const health = consumer.health();
  return Response.json(health, { status: health.status === "up" ? 200 : 503 });
});

await consumer.start();
console.log(`waiting for messages in ${queueName}`);

// Where a platform has no signals this waits for ever, and that is fine: what is not acknowledged
// when it ends the worker is delivered again.
await waitForShutdown();
await consumer.stop();
await server.shutdown();
