import { Buffer } from "node:buffer";
import { Connection, type Publisher } from "npm:rabbitmq-client@^5.0.8";
import type { Contestant } from "../contestant.ts";
import { messageIds } from "../message_ids.ts";
import { windowed } from "../windowed.ts";

async function connect(url: string): Promise<Connection> {
  // Its default, the least frame size there is, would slow down large bodies.
  const connection = new Connection({ url, frameMax: 131_072 });
  connection.on("error", (error) => console.error(error));
  await connection.onConnect();
  return connection;
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array<ArrayBuffer>): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function sendWith(publisher: Publisher, routingKey: string): (body: Buffer) => Promise<void> {
  const nextId = messageIds();
  return (body) =>
    publisher.send({
      routingKey,
      durable: true,
      mandatory: true,
      messageId: nextId(),
      contentType: "application/octet-stream",
    }, body);
}

/** `rabbitmq-client`, used through the `Publisher` and the `Consumer` that its README recommends. */
export const contestant: Contestant = {
  async sender({ url, queue, body, window }) {
    const connection = await connect(url);
    const publisher = connection.createPublisher({ confirm: true, maxAttempts: 2 });
    const send = sendWith(publisher, queue);
    const content = bufferOf(body);
    return {
      async publish(count) {
        if (window === 1) {
          for (let i = 0; i < count; i++) await send(content);
        } else {
          await windowed(count, window, (done) => void send(content).then(() => done(), done));
        }
      },
      send: (body) => send(bufferOf(body)),
      async close() {
        await publisher.close();
        await connection.close();
      },
    };
  },

  async receiver({ url, queue, prefetch, consumers: count, received }) {
    const connection = await connect(url);
    const consumers = Array.from({ length: count }, () =>
      connection.createConsumer(
        {
          queue,
          queueOptions: { passive: true },
          concurrency: prefetch,
          qos: { prefetchCount: prefetch },
        },
        ({ body }) => received(body.byteLength, body),
      ));
    await Promise.all(
      consumers.map((consumer) =>
        new Promise<void>((resolve, reject) => consumer.on("ready", resolve).on("error", reject))
      ),
    );
    return {
      async close() {
        await Promise.all(consumers.map((consumer) => consumer.close()));
        await connection.close();
      },
    };
  },

  async pipeline({ url, queue, to, prefetch, passed }) {
    const [outgoing, incoming] = await Promise.all([connect(url), connect(url)]);
    const publisher = outgoing.createPublisher({ confirm: true, maxAttempts: 2 });
    const send = sendWith(publisher, to);
    const consumer = incoming.createConsumer(
      {
        queue,
        queueOptions: { passive: true },
        concurrency: prefetch,
        qos: { prefetchCount: prefetch },
      },
      async ({ body }) => {
        await send(body);
        passed();
      },
    );
    consumer.on("error", (error) => console.error(error));
    return {
      async close() {
        await consumer.close();
        await publisher.close();
        await Promise.all([incoming.close(), outgoing.close()]);
      },
    };
  },
};
