// deno task example long_waits [SECONDS]
// = deno run --allow-net=localhost:5672 --allow-env="RABBITMQ_*" examples/long_waits.ts [SECONDS]

import { delay } from "@std/async/delay";
import { Connection, Consumer, MessageStatus, Publisher } from "@lapinmq/lapinmq";

// A broker gives up a connection that is silent for two heartbeats. lapinmq sends them however long
// a task takes or a publisher has nothing to send, as long as the program awaits what it waits for.
const waitMs = 1_000 * Number(Deno.args[0] ?? 10);
await using connection = new Connection({ heartbeatSeconds: 1 });
connection.addEventListener("connected", ({ detail }) => console.log(`connected, ${detail.role}`));
let lost = 0;
connection.addEventListener("disconnected", () => lost++);

const finished = Promise.withResolvers<void>();
const consumer = new Consumer({
  connection,
  queueName: "", // temporary
  taskFunction: async (message) => {
    console.log(`received "${message.text()}"; working on it for ${waitMs} ms`);
    await delay(waitMs);
    console.log(`finished "${message.text()}"`);
    if (message.text() === "last") finished.resolve();
    return MessageStatus.SUCCESS;
  },
});
await consumer.start();
const { queueName } = consumer;

const publisher = new Publisher({ connection });
await publisher.start();
await publisher.sendMessageToQueue({ queueName, body: "first" });
await delay(waitMs);
await publisher.sendMessageToQueue({ queueName, body: "last" });
await finished.promise;
console.log(`${lost} connections were lost meanwhile`);
