import type * as Library from "../../../mod.ts";
import type { Client, ClientOptions } from "../client.ts";

/** Which build of the library is tested: a sabotaged one is somewhere else. */
const location = Deno.env.get("SOAK_LIBRARY") ?? new URL("../../../mod.ts", import.meta.url).href;
const library: typeof Library = await import(location);

/** How many of a hundred messages are settled by a call, some time after the task. */
const BY_CALL = 0.1;

function connect({ urls, heartbeatSeconds, journal }: ClientOptions): Library.Connection {
  const connection = new library.Connection({ url: [...urls], heartbeatSeconds, logger: null });
  connection.addEventListener(
    "connected",
    ({ detail }) => journal.write("event", "-", `connected to ${detail.hostname}:${detail.port}`),
  );
  connection.addEventListener(
    "disconnected",
    ({ detail }) => journal.write("event", "-", `disconnected: ${detail.cause.message}`),
  );
  connection.addEventListener(
    "reconnecting",
    ({ detail }) => journal.write("event", "-", `reconnecting in ${Math.round(detail.delayMs)} ms`),
  );
  connection.addEventListener("blocked", () => journal.write("event", "-", "blocked"));
  connection.addEventListener("unblocked", () => journal.write("event", "-", "unblocked"));
  return connection;
}

/** lapinmq itself. */
export const client: Client = {
  async publisher(options) {
    const { journal } = options;
    const connection = connect(options);
    const publisher = new library.Publisher({ connection });
    publisher.addEventListener(
      "channellost",
      ({ detail }) =>
        journal.write("event", "-", `publisher lost its channel: ${detail.cause.message}`),
    );
    await publisher.start();
    return {
      send: ({ queue, id, body }) =>
        publisher.sendMessageToQueue({ queueName: queue, body, messageId: id }),
      async stop() {
        await publisher.stop({ timeoutMs: 20_000 });
        await connection.close();
      },
    };
  },

  async worker(options) {
    const { journal, task, parallel, retryDelayMs } = options;
    const connection = connect(options);
    const consumers = options.queues.map((queueName) => {
      const consumer = new library.Consumer({
        connection,
        queueName,
        workers: parallel,
        prefetch: parallel,
        retryDelayMs,
        taskFunction: async (message) => {
          const { body, redelivered, properties } = message;
          const id = String(properties.messageId);
          await task({ queue: queueName, id, body, redelivered });
          if (Math.random() >= BY_CALL) return library.MessageStatus.SUCCESS;
          setTimeout(() => journal.write("settled", id, String(message.ack())), 20);
          return library.MessageStatus.HANDLED_VIA_CALLBACK;
        },
      });
      consumer.addEventListener("taskfailed", () => {}); // Told by the task itself.
      consumer.addEventListener(
        "channellost",
        ({ detail }) =>
          journal.write("event", "-", `consumer lost its channel: ${detail.cause.message}`),
      );
      return consumer;
    });
    await Promise.all(consumers.map((consumer) => consumer.start()));
    return {
      async stop() {
        await Promise.all(consumers.map((consumer) => consumer.stop()));
        await connection.close();
      },
    };
  },
};
