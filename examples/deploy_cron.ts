// deno task example deploy_cron
// = deno run --unstable-cron --allow-net=localhost:5672,0.0.0.0:8000 --allow-env="RABBITMQ_*" examples/deploy_cron.ts

import { Consumer, MessageStatus, run } from "@lapinmq/lapinmq";
import { declare } from "./support/topology.ts";

const queueName = "lapinmq.example.nightly";

/** Works on what has gathered in the queue, and ends when there is no more. */
async function work(): Promise<void> {
  await declare({ queues: [queueName] }); // Fails while the broker is away: the next minute will do.
  const consumer = new Consumer({
    queueName,
    workers: 10,
    taskFunction: (message) => {
      console.log(`received ${message.text()}`);
      return MessageStatus.SUCCESS;
    },
  });
  // With the drain below a minute: while one burst runs, Deno.cron leaves the next out.
  const { reason, exitCode } = await run({
    consumers: [consumer],
    idleMs: 2_000,
    maxRunMs: 50_000,
  });
  console.log(`the burst ended: ${reason}`);
  if (reason === "signal") Deno.exit(exitCode); // Else the program waits for the next minute.
}

// Before the server: Deno Deploy looks for it when the app is deployed, and calls it by itself.
Deno.cron("work on the queue", "* * * * *", work);
Deno.serve(() => new Response("works once a minute\n"));
