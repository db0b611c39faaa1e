import type * as Library from "../../../mod.ts";
import type { Client, ClientOptions } from "../client.ts";

/** Which build of the library is tested: a sabotaged one is somewhere else. */
const location = Deno.env.get("SOAK_LIBRARY") ?? new URL("../../../mod.ts", import.meta.url).href;
const library: typeof Library = await import(location);

/** How many of a hundred messages are settled by a call, some time after the task. */
const BY_CALL = 0.1;
/** How many of a hundred of these calls never come. */
const FORGOTTEN = 0.02;
const CALLBACK_TIMEOUT_MS = 1_000;
/** On average, each consumer. */
const RESTART_EVERY_MS = 5_000;
/** A stop gives back what has not begun, once: for each worker no more than this. */
const MOST_RELEASED = 20;

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
      let isStopped = false;
      const consumer = new library.Consumer({
        connection,
        queueName,
        workers: parallel,
        prefetch: parallel,
        retryDelayMs,
        callbackTimeoutMs: CALLBACK_TIMEOUT_MS,
        taskGraceMs: 100,
        taskFunction: async (message) => {
          const { body, redelivered, properties } = message;
          const id = String(properties.messageId);
          if (isStopped) journal.write("uncaught", id, "a task began on a stopped consumer");
          await task({ queue: queueName, id, body, redelivered });
          if (Math.random() >= BY_CALL) return library.MessageStatus.SUCCESS;
          if (Math.random() >= FORGOTTEN) {
            setTimeout(() => journal.write("settled", id, String(message.ack())), 20);
          } else {
            const { signal } = message;
            const check = () => {
              if (signal.aborted) return;
              journal.write("uncaught", id, "nobody noticed that its callback never came");
            };
            Deno.unrefTimer(Number(setTimeout(check, 10 * CALLBACK_TIMEOUT_MS)));
          }
          return library.MessageStatus.HANDLED_VIA_CALLBACK;
        },
      });
      consumer.addEventListener("taskfailed", () => {}); // Told by the task itself.
      consumer.addEventListener(
        "channellost",
        ({ detail }) =>
          journal.write("event", "-", `consumer lost its channel: ${detail.cause.message}`),
      );
      const stop = async () => {
        const { released } = await consumer.stop();
        isStopped = true;
        journal.write("event", "-", `a consumer of ${queueName} stopped, and released ${released}`);
        if (released > parallel * MOST_RELEASED) {
          journal.write("uncaught", "-", `a stop gave back ${released} messages`);
        }
      };
      return {
        start: () => {
          isStopped = false;
          return consumer.start();
        },
        stop,
      };
    });
    const restarts = restartsUnderFire(connection, consumers, journal);
    await Promise.all(consumers.map((consumer) => consumer.start()));
    restarts.begin();
    return {
      async stop() {
        await restarts.end();
        await Promise.all(consumers.map((consumer) => consumer.stop()));
        await connection.close();
      },
    };
  },
};

interface Restartable {
  start(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Stops consumers and starts them again: now and then, and often just when their connection is back,
 * so that it happens in any step of the set-up of a channel while tasks of the channel before still run.
 */
function restartsUnderFire(
  connection: Library.Connection,
  consumers: readonly Restartable[],
  journal: ClientOptions["journal"],
) {
  const running = new Map<Restartable, Promise<void>>();
  const timers = new Set<ReturnType<typeof setTimeout>>();
  let isOn = false;
  const restart = async (consumer: Restartable) => {
    await consumer.stop();
    while (isOn) {
      try {
        return await consumer.start();
      } catch (error) {
        journal.write("event", "-", `a consumer could not start: ${(error as Error).message}`);
      }
    }
  };
  const later = (ms: number, act: () => void) => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      act();
    }, ms);
    timers.add(timer);
  };
  const restartAfter = (consumer: Restartable, ms: number) =>
    later(ms, () => {
      if (!isOn || running.has(consumer)) return;
      running.set(consumer, restart(consumer).finally(() => running.delete(consumer)));
    });
  const nowAndThen = (consumer: Restartable) => {
    restartAfter(consumer, 0);
    later(RESTART_EVERY_MS * (0.5 + Math.random()), () => nowAndThen(consumer));
  };
  connection.addEventListener("connected", () => {
    for (const consumer of consumers) {
      if (Math.random() < 0.5) restartAfter(consumer, Math.random() * 8);
    }
  });
  return {
    begin() {
      isOn = true;
      for (const consumer of consumers) later(RESTART_EVERY_MS, () => nowAndThen(consumer));
    },
    async end() {
      isOn = false;
      for (const timer of timers) clearTimeout(timer);
      timers.clear();
      await Promise.all(running.values());
    },
  };
}
