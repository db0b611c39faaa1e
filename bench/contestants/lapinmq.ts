import type * as Library from "../../mod.ts";
import type { Contestant } from "../contestant.ts";

/** Which build of the library is measured: what it is set against is somewhere else. */
const location = Deno.env.get("BENCH_LIBRARY") ?? new URL("../../mod.ts", import.meta.url).href;
const { Connection, Consumer, MessageStatus, Publisher }: typeof Library = await import(location);

/** Who vouches for the broker, where the connection is encrypted. */
const authority = Deno.env.get("BENCH_AUTHORITY");
const tls = authority === undefined ? undefined : { caCerts: [authority] };

/** lapinmq, used as its README says. */
export const contestant: Contestant = {
  async sender({ url, queue: queueName, body, window }) {
    const connection = new Connection({ url, tls });
    let failure: Error | undefined;
    const publisher = window === 1 ? new Publisher({ connection, kind: "sync" }) : new Publisher({
      connection,
      maxInFlight: window,
      onSendFailure: (error) => failure ??= error,
    });
    await publisher.start();
    return {
      async publish(count) {
        if (window === 1) {
          for (let i = 0; i < count; i++) await publisher.sendMessageToQueue({ queueName, body });
          return;
        }
        for (let i = 0; i < count; i++) {
          await publisher.ready;
          publisher.sendMessageToQueue({ queueName, body });
        }
        await publisher.flush();
        if (failure !== undefined) throw failure;
      },
      send: (body) => publisher.sendMessageToQueue({ queueName, body }),
      async close() {
        await publisher.stop();
        await connection.close();
      },
    };
  },

  async receiver({ url, queue: queueName, prefetch, consumers: count, received }) {
    const connection = new Connection({ url, tls });
    const consumers = Array.from({ length: count }, () =>
      new Consumer({
        connection,
        queueName,
        workers: prefetch,
        taskFunction: ({ body }) => {
          received(body.byteLength, body);
          return MessageStatus.SUCCESS;
        },
      }));
    await Promise.all(consumers.map((consumer) => consumer.start()));
    return {
      async close() {
        await Promise.all(consumers.map((consumer) => consumer.stop()));
        await connection.close();
      },
    };
  },

  async pipeline({ url, queue: queueName, to, prefetch, passed }) {
    const connection = new Connection({ url, tls });
    const publisher = new Publisher({ connection });
    await publisher.start();
    const consumer = new Consumer({
      connection,
      queueName,
      prefetch,
      taskFunction: (message) => {
        publisher.sendMessageToQueue({
          queueName: to,
          body: message.body,
          callbacks: {
            ackCallback: () => {
              message.ack();
              passed();
            },
            nackCallback: message.rejectRetry,
          },
        });
        return MessageStatus.HANDLED_VIA_CALLBACK;
      },
    });
    await consumer.start();
    return {
      async close() {
        await consumer.stop();
        await publisher.stop();
        await connection.close();
      },
    };
  },
};
