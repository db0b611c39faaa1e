// deno task example deploy_worker
// = deno run --allow-net=localhost:5672,0.0.0.0:8000 --allow-env="RABBITMQ_*" examples/deploy_worker.ts

import { Connection, Consumer, MessageStatus, run } from "@lapinmq/lapinmq";
import { declareWhenThere } from "./support/topology.ts";

// Where the broker is comes from the environment: set RABBITMQ_URL where this is deployed.
const queueName = "lapinmq.example.jobs";
const consumer = new Consumer({
  // Waits for as long as the broker is away at the start (24 days); afterwards it always does.
  connection: new Connection({ startTimeoutMs: 2 ** 31 - 1 }),
  queueName,
  workers: 10,
  taskTimeoutMs: 60_000,
  taskFunction: (message) => {
    console.log(`received ${message.text()}`);
    return MessageStatus.SUCCESS;
  },
});

// First of all: an app that ends, or waits, before it listens answers 502 on Deno Deploy.
const server = Deno.serve((request) => {
  const { status } = consumer.health();
  const isReadiness = new URL(request.url).pathname === "/readyz";
  // Whatever else is asked, such as /livez, is whether the program runs: it comes back by itself.
  return Response.json({ status }, { status: isReadiness && status !== "up" ? 503 : 200 });
});

await declareWhenThere({ queues: [queueName] });
console.log(`working on ${queueName}`);
const { exitCode } = await run({ consumers: [consumer] }); // Until SIGINT or SIGTERM.
await server.shutdown();
Deno.exit(exitCode); // Although a task may go on that does not honour its signal.
