import { Buffer } from "node:buffer";
import amqp from "amqplib";

/** A queue whose dead letters tell when a task was done. */
export interface BenchQueue extends AsyncDisposable {
  readonly queueName: string;
  /** Puts messages into it. */
  fill(bodies: readonly Uint8Array[]): Promise<void>;
  /** Waits for so many dead letters more, and returns when each came, in milliseconds. */
  told(count: number): Promise<number[]>;
}

/** Makes the queue; disposing of it deletes it. */
export async function benchQueue(url: string): Promise<BenchQueue> {
  const connection = await amqp.connect(url);
  const channel = await connection.createConfirmChannel();
  const dead = `lapinmq.bench.isolation.${Deno.pid}.dead`;
  const queueName = `lapinmq.bench.isolation.${Deno.pid}`;
  await channel.assertQueue(dead, { durable: true });
  await channel.assertQueue(queueName, {
    durable: true,
    arguments: { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead },
  });
  const times: number[] = [];
  let heard = () => {};
  await channel.consume(dead, () => {
    times.push(performance.now());
    heard();
  }, { noAck: true });
  return {
    queueName,
    async fill(bodies) {
      for (const body of bodies) channel.sendToQueue(queueName, Buffer.from(body));
      await channel.waitForConfirms();
    },
    async told(count) {
      while (times.length < count) {
        await new Promise<void>((resolve) => heard = resolve);
      }
      return times.splice(0, count);
    },
    async [Symbol.asyncDispose]() {
      await channel.deleteQueue(queueName);
      await channel.deleteQueue(dead);
      await connection.close();
    },
  };
}
