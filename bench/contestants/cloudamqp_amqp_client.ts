import { AMQPClient } from "npm:@cloudamqp/amqp-client@^4.1.1";
import type { Contestant } from "../contestant.ts";
import { messageIds } from "../message_ids.ts";
import { windowed } from "../windowed.ts";

async function connect(url: string): Promise<AMQPClient> {
  const address = new URL(url);
  // Its default, the least frame size there is, would slow down large bodies.
  address.searchParams.set("frameMax", "131072");
  const client = new AMQPClient(address.href);
  await client.connect();
  client.socket?.setNoDelay(true);
  return client;
}

type Channel = Awaited<ReturnType<AMQPClient["channel"]>>;

async function sendWith(
  channel: Channel,
  queue: string,
): Promise<(body: Uint8Array) => Promise<number>> {
  await channel.confirmSelect();
  const nextId = messageIds();
  return (body) =>
    channel.basicPublish("", queue, body, {
      deliveryMode: 2,
      messageId: nextId(),
      contentType: "application/octet-stream",
    }, true);
}

/** `@cloudamqp/amqp-client`, used through channels: faster than its sessions, which are built on them. */
export const contestant: Contestant = {
  async sender({ url, queue, body, window }) {
    const client = await connect(url);
    const send = await sendWith(await client.channel(), queue);
    return {
      async publish(count) {
        if (window === 1) {
          for (let i = 0; i < count; i++) await send(body);
        } else {
          await windowed(count, window, (done) => void send(body).then(() => done(), done));
        }
      },
      async send(body) {
        await send(body);
      },
      close: () => client.close(),
    };
  },

  async receiver({ url, queue, prefetch, consumers, received }) {
    const client = await connect(url);
    const start = async () => {
      const channel = await client.channel();
      await channel.prefetch(prefetch);
      await channel.basicConsume(queue, { noAck: false }, async (message) => {
        const body = message.body ?? new Uint8Array();
        received(body.byteLength, body);
        await message.ack();
      });
      return channel;
    };
    const channels = await Promise.all(Array.from({ length: consumers }, start));
    return {
      async close() {
        await Promise.all(channels.map((channel) => channel.close()));
        await client.close();
      },
    };
  },

  async pipeline({ url, queue, to, prefetch, passed }) {
    const [outgoing, incoming] = await Promise.all([connect(url), connect(url)]);
    const send = await sendWith(await outgoing.channel(), to);
    const channel = await incoming.channel();
    await channel.prefetch(prefetch);
    await channel.basicConsume(queue, { noAck: false }, async (message) => {
      await send(message.body ?? new Uint8Array());
      await message.ack();
      passed();
    });
    return {
      async close() {
        await channel.close();
        await Promise.all([incoming.close(), outgoing.close()]);
      },
    };
  },
};
