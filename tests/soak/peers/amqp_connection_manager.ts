import { Buffer } from "node:buffer";
import { type AmqpConnectionManager, connect as open } from "npm:amqp-connection-manager@^5.0.0";
import type { ConsumeMessage } from "amqplib";
import type { Client, ClientOptions } from "../client.ts";

function connect({ urls, heartbeatSeconds, journal }: ClientOptions): AmqpConnectionManager {
  const connection = open([...urls], { heartbeatIntervalInSeconds: heartbeatSeconds });
  connection.on("connect", () => journal.write("event", "-", "connected"));
  connection.on("disconnect", ({ err }) => journal.write("event", "-", `disconnected: ${err}`));
  connection.on("connectFailed", ({ err }) => journal.write("event", "-", `failed: ${err}`));
  return connection;
}

/** `amqp-connection-manager`, used as its README and its examples say. */
export const client: Client = {
  async publisher(options) {
    const connection = connect(options);
    const channel = connection.createChannel();
    channel.on("error", (error) => options.journal.write("event", "-", `channel: ${error}`));
    await channel.waitForConnect();
    return {
      async send({ queue, id, body }) {
        const content = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
        await channel.sendToQueue(queue, content, {
          persistent: true,
          mandatory: true,
          messageId: id,
        });
      },
      async stop() {
        await channel.close();
        await connection.close();
      },
    };
  },

  async worker({ queues, parallel, task, ...options }) {
    const connection = connect(options);
    const working = new Set<Promise<void>>();
    const channels = queues.map((queue) => {
      const work = async (message: ConsumeMessage) => {
        const { fields, properties, content } = message;
        try {
          await task({
            queue,
            id: String(properties.messageId),
            redelivered: fields.redelivered,
            body: content,
          });
        } catch {
          return channel.nack(message);
        }
        channel.ack(message);
      };
      const channel = connection.createChannel({ confirm: false });
      void channel.consume(queue, (message) => {
        const one = work(message).finally(() => working.delete(one));
        working.add(one);
      }, { prefetch: parallel });
      channel.on("error", (error) => options.journal.write("event", "-", `channel: ${error}`));
      return channel;
    });
    await Promise.all(channels.map((channel) => channel.waitForConnect()));
    return {
      async stop() {
        await Promise.all(channels.map((channel) => channel.cancelAll()));
        await Promise.all(working);
        await connection.close();
      },
    };
  },
};
