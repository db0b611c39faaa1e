import { Buffer } from "node:buffer";
import { type AmqpConnectionManager, connect as open } from "npm:amqp-connection-manager@^5.0.0";
import type { ConsumeMessage } from "amqplib";
import type { Contestant } from "../contestant.ts";
import { messageIds } from "../message_ids.ts";
import { windowed } from "../windowed.ts";

function connect(url: string): AmqpConnectionManager {
  return open([url], { connectionOptions: { noDelay: true } });
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array<ArrayBuffer>): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function properties(messageId: string) {
  return {
    persistent: true,
    mandatory: true,
    messageId,
    contentType: "application/octet-stream",
  };
}

/** `amqp-connection-manager`, used as its README and its examples say. */
export const contestant: Contestant = {
  async sender({ url, queue, body, window }) {
    const connection = connect(url);
    const channel = connection.createChannel();
    await channel.waitForConnect();
    const nextId = messageIds();
    const content = bufferOf(body);
    const send = (content: Buffer) => channel.sendToQueue(queue, content, properties(nextId()));
    return {
      async publish(count) {
        if (window === 1) {
          for (let i = 0; i < count; i++) await send(content);
        } else {
          await windowed(count, window, (done) => void send(content).then(() => done(), done));
        }
      },
      async send(body) {
        await send(bufferOf(body));
      },
      async close() {
        await channel.close();
        await connection.close();
      },
    };
  },

  async receiver({ url, queue, prefetch, consumers, received }) {
    const connection = connect(url);
    const start = async () => {
      const channel = connection.createChannel({ confirm: false });
      await channel.consume(queue, (message: ConsumeMessage) => {
        received(message.content.byteLength, message.content);
        channel.ack(message);
      }, { prefetch });
      await channel.waitForConnect();
      return channel;
    };
    const channels = await Promise.all(Array.from({ length: consumers }, start));
    return {
      async close() {
        await Promise.all(channels.map((channel) => channel.cancelAll()));
        await Promise.all(channels.map((channel) => channel.close()));
        await connection.close();
      },
    };
  },

  async pipeline({ url, queue, to, prefetch, passed }) {
    const [outgoing, incoming] = [connect(url), connect(url)];
    const publisher = outgoing.createChannel();
    await publisher.waitForConnect();
    const consumer = incoming.createChannel({ confirm: false });
    const nextId = messageIds();
    const pass = async (message: ConsumeMessage) => {
      try {
        await publisher.sendToQueue(to, message.content, properties(nextId()));
      } catch {
        return consumer.nack(message);
      }
      consumer.ack(message);
      passed();
    };
    await consumer.consume(queue, pass, { prefetch });
    await consumer.waitForConnect();
    return {
      async close() {
        await consumer.cancelAll();
        await consumer.close();
        await publisher.close();
        await Promise.all([incoming.close(), outgoing.close()]);
      },
    };
  },
};
