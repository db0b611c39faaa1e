/** An outbox on a scripted driver. */

import { Outbox } from "../../src/outbox.ts";
import { type PublisherOptions, resolvePublisherOptions } from "../../src/publisher_options.ts";
import type { SendCallbacks } from "../../src/send_options.ts";
import { prepareMessage, type SendMessageOptions } from "../../src/send_options.ts";
import { eventually } from "./eventually.ts";
import { type Script, type ScriptedChannel, ScriptedLink } from "./scripted_driver.ts";

/** What a test does with an outbox. */
export interface OutboxForTest extends AsyncDisposable {
  readonly outbox: Outbox;
  readonly link: ScriptedLink;
  /** What callbacks of the program threw. */
  readonly thrown: unknown[];
  /** What the outbox told of lost channels. */
  readonly lost: (readonly [message: string, unconfirmed: number])[];
  /** What the outbox told of giving up. */
  readonly gaveUp: string[];
  /** The channel that is open; waits until it is another than `before`. */
  channel(before?: ScriptedChannel): Promise<ScriptedChannel>;
  /** Sends a message with this body, by default to the queue "work". */
  send(body: string, options?: Partial<SendMessageOptions>, callbacks?: SendCallbacks): Sent;
  start(): Promise<void>;
}

/** A send whose outcome is watched from the first moment on. */
export interface Sent {
  /** `undefined` once it was confirmed, an error once it failed. */
  readonly outcome: Promise<Error | undefined>;
  /** Whether the outcome is known. */
  readonly settled: boolean;
}

/** Makes an outbox that is not started yet; it is stopped at the end of the test. */
export function outboxForTest(
  options: PublisherOptions = {},
  script: Script = {},
): OutboxForTest {
  const link = new ScriptedLink(script);
  const thrown: unknown[] = [];
  const lost: (readonly [string, number])[] = [];
  const gaveUp: string[] = [];
  const outbox = new Outbox(link, link.options.reconnect, resolvePublisherOptions(options), {
    run: (_what, code) => {
      try {
        code();
      } catch (error) {
        thrown.push(error);
      }
    },
    channelLost: (cause, unconfirmed) => lost.push([cause.message, unconfirmed]),
    gaveUp: (cause) => gaveUp.push(cause.message),
  });
  let lastId = 0;
  return {
    outbox,
    link,
    thrown,
    lost,
    gaveUp,
    start: () => outbox.start(1_000),
    channel: async (before) =>
      await eventually("a channel is open", () => {
        const { channel } = link.driver;
        return channel !== before && channel?.open && outbox.health().status !== "recovering" &&
          channel;
      }),
    send(body, options = {}, callbacks = {}) {
      const sent = { outcome: Promise.resolve<Error | undefined>(undefined), settled: false };
      const message = prepareMessage(
        { exchange: "", routingKey: "work", body, ...options },
        () => `id-${++lastId}`,
      );
      sent.outcome = outbox.send(message, callbacks, undefined)
        .then(() => undefined, (error) => error)
        .finally(() => sent.settled = true);
      return sent;
    },
    async [Symbol.asyncDispose]() {
      await outbox.stop(0);
      await link.close(0);
    },
  };
}
