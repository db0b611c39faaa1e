// deno task example send
// = deno run --allow-net=localhost:5672 --allow-env="RABBITMQ_*" examples/send.ts

import { Publisher } from "@lapinmq/lapinmq";
import { declare } from "./support/topology.ts";

const queueName = "lapinmq.example.tasks";
await declare({ queues: [queueName] });

await using publisher = new Publisher({ kind: "sync" });
await publisher.start();

for (let task = 1; task <= 10; task++) {
  // Resolves when the broker has taken the message over; rejects if it cannot be delivered.
  await publisher.sendMessageToQueue({ queueName, body: `task ${task}` });
  console.log(`sent task ${task}`);
}

// To any exchange ("" is the default one, which knows every queue by its name), with properties.
await publisher.sendMessage({
  exchange: "",
  routingKey: queueName,
  body: new TextEncoder().encode("task 11"),
  headers: { origin: "examples/send.ts" },
  priority: 5,
  expirationMs: 60_000,
});
console.log("sent task 11, as bytes");
