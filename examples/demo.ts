// deno task demo
// = deno run --allow-net=localhost:5672 --allow-env="RABBITMQ_*" examples/demo.ts

import { delay } from "@std/async/delay";
import { Consumer, MessageStatus, Publisher } from "@lapinmq/lapinmq";

const tasks = 12;
const freeWorkers = [1, 2, 3];
const done = Promise.withResolvers<void>();
let processed = 0;
const startedAt = performance.now();
const seconds = () => `${((performance.now() - startedAt) / 1_000).toFixed(2)} s`;
const show = (column: number, text: string) =>
  console.log(`${seconds().padStart(7)}  ${" ".repeat(16 * column)}${text}`);

await using consumer = new Consumer({
  queueName: "", // a temporary queue, which the broker names
  workers: freeWorkers.length,
  taskFunction: async (message) => {
    const worker = freeWorkers.shift()!;
    show(worker, `┌ ${message.text()}`);
    await delay(300 + 600 * Math.random()); // the work
    show(worker, `└ ${message.text()}`);
    freeWorkers.unshift(worker);
    if (++processed === tasks) done.resolve();
    return MessageStatus.SUCCESS;
  },
});
await consumer.start();
await using publisher = new Publisher();
await publisher.start();
console.log("         publisher       worker 1        worker 2        worker 3");
for (let task = 1; task <= tasks; task++) {
  await publisher.sendMessageToQueue({ queueName: consumer.queueName, body: `task ${task}` });
  show(0, `sent task ${task}`);
  await delay(100);
}
await done.promise;
const { confirmed } = await publisher.flush();
console.log(`${tasks} sent, ${confirmed} confirmed, ${processed} processed in ${seconds()}`);
