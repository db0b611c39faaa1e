/** The queues of the benchmark, seen from outside of the clients that are measured. */

import amqp, { type Channel, type ChannelModel } from "amqplib";
import { contestant as limit } from "./contestants/limit.ts";
import type { Workload } from "./workload.ts";

/** How long a queue may take to show what it holds: acknowledgements that are in are not yet done. */
const DEPTH_TIMEOUT_MS = 10_000;

/** Declares, fills, counts and deletes queues. */
export class Queues implements AsyncDisposable {
  #url: string;
  #connection: ChannelModel;
  #channel: Channel;

  private constructor(url: string, connection: ChannelModel, channel: Channel) {
    this.#url = url;
    this.#connection = connection;
    this.#channel = channel;
  }

  static async open(url: string): Promise<Queues> {
    const connection = await amqp.connect(url);
    return new Queues(url, connection, await connection.createChannel());
  }

  /** Makes a durable queue, empty and new. */
  async declare(queue: string, type: Workload["queueType"]): Promise<void> {
    await this.#channel.deleteQueue(queue);
    await this.#channel.assertQueue(queue, {
      durable: true,
      arguments: { "x-queue-type": type },
    });
  }

  async delete(queue: string): Promise<void> {
    await this.#channel.deleteQueue(queue);
  }

  /** Publishes as fast as can be. */
  async fill(queue: string, count: number, bodyBytes: number): Promise<void> {
    const sender = await limit.sender({
      url: this.#url,
      queue,
      body: new Uint8Array(bodyBytes),
      window: Math.max(4, Math.min(1_000, Math.floor(16 * 1024 * 1024 / bodyBytes))),
    });
    await sender.publish(count);
    await sender.close();
  }

  /**
   * Waits until a queue holds exactly so many messages.
   *
   * @throws {Error} If it does not come to that: messages were lost, or not acknowledged.
   */
  async holds(queue: string, count: number, timeoutMs: number = DEPTH_TIMEOUT_MS): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const { messageCount } = await this.#channel.checkQueue(queue);
      if (messageCount === count) return;
      if (Date.now() > deadline) {
        throw new Error(`The queue holds ${messageCount} messages instead of ${count}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close();
  }
}
