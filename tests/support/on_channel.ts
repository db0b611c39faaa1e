/** What tests do at a broker that may have just been restarted: a connection of its own for each act. */

import amqp, { type ConfirmChannel } from "amqplib";

/** Lends a channel, and closes it and its connection afterwards. */
export async function onChannel<T>(
  url: string,
  use: (channel: ConfirmChannel) => Promise<T>,
): Promise<T> {
  const connection = await amqp.connect(url);
  connection.on("error", () => {});
  const channel = await connection.createConfirmChannel();
  channel.on("error", () => {});
  try {
    return await use(channel);
  } finally {
    await connection.close().catch(() => {}); // The broker may have closed it.
  }
}

let lastName = 0;

/** Declares a durable queue of a private node, and returns its name. The node is its end, too. */
export async function declareQueue(
  url: string,
  options: Record<string, unknown> = {},
): Promise<string> {
  const name = `chaos.${++lastName}`;
  await onChannel(
    url,
    (channel) => channel.assertQueue(name, { durable: true, arguments: options }),
  );
  return name;
}

/** Takes out all messages that are ready, and gives their bodies. */
export async function takeBodies(url: string, queue: string): Promise<string[]> {
  return await onChannel(url, async (channel) => {
    const bodies: string[] = [];
    while (true) {
      const message = await channel.get(queue, { noAck: true });
      if (message === false) return bodies;
      bodies.push(message.content.toString());
    }
  });
}

/** How many messages are ready in the queue. */
export async function readyIn(url: string, queue: string): Promise<number> {
  return await onChannel(url, async (channel) => (await channel.checkQueue(queue)).messageCount);
}
