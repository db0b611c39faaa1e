import { AMQPSession } from "npm:@cloudamqp/amqp-client@^4.1.1";
import type { Client, ClientOptions } from "../client.ts";

// It knows one address only: in a cluster, a node that is gone stays its node.
function connect({ urls, heartbeatSeconds, journal }: ClientOptions): Promise<AMQPSession> {
  return AMQPSession.connect(urls[0], {
    heartbeat: heartbeatSeconds,
    logger: null,
    onconnect: () => journal.write("event", "-", "connected"),
    ondisconnect: (error) => journal.write("event", "-", `disconnected: ${error?.message}`),
    onrecoverfailed: (queue, error) =>
      journal.write("event", "-", `consumer of ${queue}: ${error.message}`),
  });
}

/** `@cloudamqp/amqp-client`, used through the session that its README recommends. */
export const client: Client = {
  async publisher(options) {
    const session = await connect(options);
    const queues = new Map<string, Awaited<ReturnType<AMQPSession["queue"]>>>();
    return {
      async send({ queue: name, id, body }) {
        const queue = queues.get(name) ?? await session.queue(name, { passive: true });
        queues.set(name, queue);
        await queue.publish(body, { deliveryMode: 2, mandatory: true, messageId: id });
      },
      stop: () => session.stop(),
    };
  },

  async worker({ queues, parallel, task, ...options }) {
    const session = await connect(options);
    const subscriptions = await Promise.all(queues.map(async (name) => {
      const queue = await session.queue(name, { passive: true });
      return await queue.subscribe(
        { prefetch: parallel },
        async ({ properties, redelivered, body }) =>
          await task({
            queue: name,
            id: properties.messageId ?? "",
            redelivered,
            body: body ?? new Uint8Array(),
          }),
      );
    }));
    return {
      async stop() {
        await Promise.all(subscriptions.map((subscription) => subscription.cancel()));
        await session.stop();
      },
    };
  },
};
