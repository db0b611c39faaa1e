/** Queues and exchanges for a test, made and removed with amqplib itself, not with the library. */

import { Buffer } from "node:buffer";
import amqp, { type Channel, type ConsumeMessage, type GetMessage } from "amqplib";
import { broker } from "./broker.ts";
import { eventually } from "./eventually.ts";

let lastName = 0;

/** What a test declares and looks into. */
export interface Topology extends AsyncDisposable {
  /** The channel it is all done on; a test may use it for more. */
  readonly channel: Channel;
  /** Declares a durable queue that is empty, and returns its name. */
  queue(options?: { arguments?: Record<string, unknown>; durable?: boolean }): Promise<string>;
  /** Declares an exchange, and returns its name. */
  exchange(type: "direct" | "topic" | "fanout" | "headers"): Promise<string>;
  /** A name that nothing has. */
  unused(): string;
  /** How many messages are ready in the queue. */
  count(queue: string): Promise<number>;
  /** Waits until so many messages are ready in the queue. */
  waitForCount(queue: string, count: number): Promise<void>;
  /** Takes one message out; waits for it. */
  take(queue: string): Promise<GetMessage>;
  /** Takes out all messages that are ready. */
  takeAll(queue: string): Promise<GetMessage[]>;
  /** Puts messages into the queue, and waits until they are there. */
  fill(queue: string, bodies: readonly string[]): Promise<void>;
  /** Receives without acknowledging, until the topology is disposed of. */
  hold(queue: string, count: number): Promise<ConsumeMessage[]>;
}

/** Makes the queues and exchanges of one test; disposing of it deletes them all. */
export async function topology(): Promise<Topology> {
  const connection = await amqp.connect(broker.url);
  connection.on("error", () => {});
  const channel = await connection.createConfirmChannel();
  const queues: string[] = [];
  const exchanges: string[] = [];
  const unused = () => `lapinmq.test.${Deno.pid}.${++lastName}`;
  const count = async (queue: string) => (await channel.checkQueue(queue)).messageCount;
  const take = async (queue: string) =>
    await eventually(`queue ${queue} has a message`, () => channel.get(queue, { noAck: true }));
  return {
    channel,
    unused,
    count,
    take,
    async queue(options = {}) {
      const name = unused();
      await channel.assertQueue(name, { durable: true, ...options });
      queues.push(name);
      return name;
    },
    async exchange(type) {
      const name = unused();
      await channel.assertExchange(name, type, { durable: true });
      exchanges.push(name);
      return name;
    },
    async waitForCount(queue, expected) {
      await eventually(
        `queue ${queue} has ${expected} messages`,
        async () => await count(queue) === expected,
      );
    },
    async takeAll(queue) {
      const messages: GetMessage[] = [];
      while (true) {
        const message = await channel.get(queue, { noAck: true });
        if (message === false) return messages;
        messages.push(message);
      }
    },
    async fill(queue, bodies) {
      for (const body of bodies) {
        channel.sendToQueue(queue, Buffer.from(body), { persistent: true });
      }
      await channel.waitForConfirms();
    },
    async hold(queue, expected) {
      const messages: ConsumeMessage[] = [];
      await channel.consume(queue, (message) => {
        if (message !== null) messages.push(message);
      });
      await eventually(`${expected} messages are held`, () => messages.length >= expected);
      return messages;
    },
    async [Symbol.asyncDispose]() {
      for (const queue of queues) await channel.deleteQueue(queue);
      for (const exchange of exchanges) await channel.deleteExchange(exchange);
      await connection.close();
    },
  };
}
