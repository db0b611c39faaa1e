import { Buffer } from "node:buffer";
import amqp, { type Channel, type ChannelModel } from "amqplib";
import type { Contestant } from "../contestant.ts";
import { messageIds } from "../message_ids.ts";
import { windowed } from "../windowed.ts";

function connect(url: string): Promise<ChannelModel> {
  return amqp.connect(url, { noDelay: true });
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array<ArrayBuffer>): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** `amqplib` itself, used well: a confirm channel, a window, no delay, an acknowledgement each. */
export const contestant: Contestant = {
  async sender({ url, queue, body, window }) {
    const connection = await connect(url);
    const channel = await connection.createConfirmChannel();
    const nextId = messageIds();
    const content = bufferOf(body);
    const publish = (content: Buffer, done: (error: unknown) => void) =>
      void channel.publish(
        "",
        queue,
        content,
        {
          persistent: true,
          mandatory: true,
          messageId: nextId(),
          contentType: "application/octet-stream",
        },
        done,
      );
    return {
      publish: (count) => windowed(count, window, (done) => publish(content, done)),
      send: (body) =>
        new Promise((resolve, reject) =>
          publish(bufferOf(body), (error) => error ? reject(error) : resolve())
        ),
      async close() {
        await channel.close();
        await connection.close();
      },
    };
  },

  async receiver({ url, queue, prefetch, consumers, received }) {
    const connection = await connect(url);
    const start = async (): Promise<Channel> => {
      const channel = await connection.createChannel();
      await channel.prefetch(prefetch);
      await channel.consume(queue, (message) => {
        if (message === null) throw new Error("The consumer was cancelled");
        received(message.content.byteLength, message.content);
        channel.ack(message);
      });
      return channel;
    };
    const channels = await Promise.all(Array.from({ length: consumers }, start));
    return {
      async close() {
        await Promise.all(channels.map((channel) => channel.close()));
        await connection.close();
      },
    };
  },

  async pipeline({ url, queue, to, prefetch, passed }) {
    const [outgoing, incoming] = await Promise.all([connect(url), connect(url)]);
    const publisher = await outgoing.createConfirmChannel();
    const consumer = await incoming.createChannel();
    const nextId = messageIds();
    await consumer.prefetch(prefetch);
    await consumer.consume(queue, (message) => {
      if (message === null) throw new Error("The consumer was cancelled");
      publisher.publish(
        "",
        to,
        message.content,
        {
          persistent: true,
          mandatory: true,
          messageId: nextId(),
          contentType: "application/octet-stream",
        },
        (error) => {
          if (error) return consumer.nack(message);
          consumer.ack(message);
          passed();
        },
      );
    });
    return {
      async close() {
        await publisher.waitForConfirms();
        await consumer.close();
        await Promise.all([incoming.close(), outgoing.close()]);
      },
    };
  },
};
