import { Buffer } from "node:buffer";
import { Connection } from "npm:rabbitmq-client@^5.0.8";
import type { Client, ClientOptions } from "../client.ts";

function connect({ urls, heartbeatSeconds, journal }: ClientOptions): Connection {
  const { username, password } = new URL(urls[0]);
  const connection = new Connection({
    hosts: urls.map((url) => new URL(url).host),
    username,
    password,
    heartbeat: heartbeatSeconds,
  });
  connection.on("error", (error) => journal.write("event", "-", `connection: ${error}`));
  connection.on("connection", () => journal.write("event", "-", "connected"));
  return connection;
}

/** `rabbitmq-client`, used as its README says. */
export const client: Client = {
  async publisher(options) {
    const connection = connect(options);
    await connection.onConnect();
    const publisher = connection.createPublisher({ confirm: true, maxAttempts: 2 });
    return {
      send: ({ queue, id, body }) =>
        publisher.send(
          { routingKey: queue, durable: true, mandatory: true, messageId: id },
          Buffer.from(body.buffer, body.byteOffset, body.byteLength),
        ),
      async stop() {
        await publisher.close();
        await connection.close();
      },
    };
  },

  async worker({ queues, parallel, task, ...options }) {
    const connection = connect(options);
    await connection.onConnect();
    const consumers = queues.map((queue) => {
      const consumer = connection.createConsumer(
        {
          queue,
          queueOptions: { passive: true },
          concurrency: parallel,
          qos: { prefetchCount: parallel },
        },
        async ({ messageId, redelivered, body }) => {
          await task({ queue, id: messageId ?? "", redelivered, body });
        },
      );
      consumer.on("error", (error) => options.journal.write("event", "-", `consumer: ${error}`));
      return consumer;
    });
    return {
      async stop() {
        await Promise.all(consumers.map((consumer) => consumer.close()));
        await connection.close();
      },
    };
  },
};
