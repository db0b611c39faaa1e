import type { Buffer } from "node:buffer";
import amqplib from "amqplib";
import type { Channel, ConsumeMessage, Message } from "amqplib";
import { ConfigurationError } from "../errors.ts";
import { printable } from "../printable.ts";
import { unrefTimer } from "../runtime.ts";
import { decodeHeaders, decodeProperties as decodeHeader } from "./decode_properties.ts";
import type {
  ChannelEvents,
  Delivery,
  DriverChannel,
  FieldTable,
  OutgoingMessage,
  QueueCounts,
  Settlement,
} from "./driver.ts";
import type { FastChannel, FastLane } from "./fast_lane.ts";
import {
  decodeProperties,
  decodeTable,
  encodeProperties,
  encodeTable,
  fromBuffer,
  toBuffer,
} from "./properties.ts";
import { headerOf } from "./readable_headers.ts";
import { Secrets } from "./secrets.ts";
import { channelError, connectionLost } from "./translate_errors.ts";
import { within } from "./within.ts";

/** A channel of `npm:amqplib`. */
export class AmqplibChannel implements DriverChannel {
  #channel: Channel;
  #events: ChannelEvents;
  #callTimeoutMs: number;
  #secrets: Secrets;
  /** Rejects when the channel is gone. */
  #gone = Promise.withResolvers<never>();
  /** Where messages and settlements go past amqplib, if they can. */
  #fast: FastChannel | undefined;
  /** Tells once that the channel is gone, and why; `otherwise` where nothing better is known. */
  #end: (otherwise?: Error) => void;

  /**
   * @param connectionLoss Why the connection of the channel was lost, where it was.
   * @param lane The fast lane of its connection, where there is one.
   * @param confirms Whether it is for publishing, or else for receiving.
   * @param secrets What is to be masked in the broker's words.
   */
  constructor(
    channel: Channel,
    events: ChannelEvents,
    callTimeoutMs: number,
    connectionLoss: () => Error | undefined,
    lane: FastLane | undefined,
    confirms: boolean,
    secrets = new Secrets([]),
  ) {
    this.#channel = channel;
    this.#events = events;
    this.#callTimeoutMs = callTimeoutMs;
    this.#secrets = secrets;
    this.#gone.promise.catch(() => {}); // Only who waits for an answer is to hear of it.
    let cause: Error | undefined;
    // A channel without an "error" listener takes its whole connection with it.
    channel.on("error", (error: Error) => cause = error);
    // An exception in a listener would take it as well; with this one it costs the channel alone.
    const handlerFailed = (error: Error) => {
      cause ??= error;
      void channel.close().catch(() => {}); // It may be closed by now.
    };
    channel.on("handler-error", handlerFailed);
    const guarded =
      <Args extends unknown[]>(handle: (...args: Args) => void) => (...args: Args) => {
        try {
          handle(...args);
        } catch (error) {
          handlerFailed(error as Error);
        }
      };
    this.#fast = lane?.open(
      channel,
      confirms
        ? { confirm: guarded((tag, multiple, ok) => events.confirm(tag, multiple, ok)) }
        : { delivery: guarded((delivery) => events.delivery(delivery)) },
    );
    let open = true;
    this.#end = (otherwise) => {
      if (!open) return;
      open = false;
      this.#fast?.close();
      // The reply code of a lost connection is no answer to anything on this channel.
      const lost = () => connectionLost(secrets.maskedIn(connectionLoss() ?? otherwise));
      const error = cause === undefined ? lost() : channelError(secrets.maskedIn(cause));
      this.#gone.reject(error);
      events.closed(error);
    };
    const stopWaiting = watchClosing(channel, callTimeoutMs, {
      closing: () => this.#fast?.close(),
      tookTooLong: (error) => this.#end(error),
    });
    channel.on("close", () => {
      stopWaiting();
      this.#end();
    });
    // amqplib's confirms come as callbacks that cannot tell a nack from a closed channel, so the
    // frames themselves are listened to.
    channel.on("ack", (frame) => events.confirm(frame.deliveryTag, frame.multiple, true));
    channel.on("nack", (frame) => events.confirm(frame.deliveryTag, frame.multiple, false));
    channel.on("return", (message) => events.returned(readReturn(message, secrets)));
  }

  publish(message: OutgoingMessage): void {
    try {
      if (this.#fast !== undefined) this.#fast.publish(message);
      else {
        this.#channel.publish(
          message.exchange,
          message.routingKey,
          toBuffer(message.body),
          encodeProperties(message),
        );
      }
    } catch (error) {
      if (error instanceof amqplib.IllegalOperationError) {
        // It may have closed in the moment in which it opened, before anybody could listen to it.
        this.#end(error);
        throw channelError(this.#secrets.maskedIn(error));
      }
      throw new ConfigurationError(
        `Cannot write this message: ${error instanceof Error ? error.message : error}: nothing ` +
          `was sent`,
        { cause: error },
      );
    }
  }

  isLent(body: Uint8Array): boolean {
    return this.#fast?.isLent(body) ?? true; // amqplib does not tell.
  }

  settle(tag: number, how: Settlement, multiple = false): void {
    try {
      if (this.#fast !== undefined) return this.#fast.settle(tag, how, multiple);
      // amqplib reads nothing of the message but its tag.
      const message = { fields: { deliveryTag: tag } } as Message;
      if (how === "ack") this.#channel.ack(message, multiple);
      else if (how === "release") this.#channel.nack(message, false, true);
      else this.#channel.reject(message, how === "requeue");
    } catch (error) {
      throw channelError(this.#secrets.maskedIn(error));
    }
  }

  async prefetch(count: number): Promise<void> {
    await this.#call(() => this.#channel.prefetch(count), "set the prefetch");
  }

  async declareTemporaryQueue(queueArguments: FieldTable): Promise<string> {
    const { queue } = await this.#call(() =>
      this.#channel.assertQueue("", {
        exclusive: true,
        durable: false,
        arguments: encodeTable(queueArguments),
      }), "declare a temporary queue");
    return queue;
  }

  async checkQueue(queueName: string): Promise<QueueCounts> {
    const { messageCount, consumerCount } = await this.#call(
      () => this.#channel.checkQueue(queueName),
      `find queue "${queueName}"`,
    );
    return { ready: messageCount, consumers: consumerCount };
  }

  async deleteQueue(queueName: string): Promise<void> {
    await this.#call(() => this.#channel.deleteQueue(queueName), `delete queue "${queueName}"`);
  }

  async bindQueue(queueName: string, exchange: string, bindingKey: string): Promise<void> {
    await this.#call(
      () => this.#channel.bindQueue(queueName, exchange, bindingKey),
      `bind queue "${queueName}" to exchange "${exchange}"`,
    );
  }

  async consume(queueName: string, consumerTag: string): Promise<void> {
    await this.#call(
      () =>
        this.#channel.consume(queueName, (message) => {
          // A null is the broker's way to say that the consumer is cancelled.
          if (message === null) this.#events.cancelled();
          else this.#events.delivery(toDelivery(message));
        }, { consumerTag }),
      `consume from queue "${queueName}"`,
    );
  }

  async cancel(consumerTag: string): Promise<void> {
    await this.#call(() => this.#channel.cancel(consumerTag), "cancel the consumer");
  }

  async close(): Promise<void> {
    this.#fast?.close();
    await this.#call(() => this.#channel.close(), "close the channel");
  }

  /**
   * One request at a time, within a deadline, and not beyond the end of the channel, after which
   * amqplib answers some of them no more; it throws some refusals synchronously.
   */
  async #call<T>(request: () => Promise<T>, what: string): Promise<T> {
    try {
      const answer = Promise.race([request(), this.#gone.promise]);
      return await within(answer, this.#callTimeoutMs, what);
    } catch (error) {
      throw channelError(this.#secrets.maskedIn(error));
    }
  }
}

/** A delivery that amqplib has put together; its properties and headers are decoded when asked for. */
function toDelivery({ fields, properties, content }: ConsumeMessage): Delivery {
  const header = headerOf(properties);
  let decoded: Pick<Delivery, "properties" | "headers"> | undefined;
  const decode = () =>
    decoded ??= header === undefined ? decodedByAmqplib(properties) : read(header);
  return {
    tag: fields.deliveryTag,
    redelivered: fields.redelivered,
    exchange: fields.exchange,
    routingKey: fields.routingKey,
    body: fromBuffer(content),
    get properties() {
      return decode().properties;
    },
    get headers() {
      return decode().headers;
    },
  };
}

function read(header: Buffer): Pick<Delivery, "properties" | "headers"> {
  const { properties, table } = decodeHeader(header);
  let headers: FieldTable | undefined;
  return {
    properties,
    get headers() {
      return headers ??= table === undefined ? {} : decodeHeaders(table);
    },
  };
}

function decodedByAmqplib(properties: Message["properties"]) {
  return {
    properties: decodeProperties(properties as unknown as Record<string, unknown>),
    headers: decodeTable(properties.headers),
  };
}

/**
 * amqplib closes a channel by itself on which it receives what it does not understand, tells nobody,
 * and waits for the broker's answer for as long as it takes.
 *
 * @returns What ends the watch.
 */
function watchClosing(
  channel: Channel,
  timeoutMs: number,
  tell: { closing(): void; tookTooLong(error: Error): void },
): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const internals = channel as unknown as { toClosing?(...args: unknown[]): unknown };
  const { toClosing } = internals;
  if (typeof toClosing === "function") {
    internals.toClosing = (...args) => {
      timer ??= setTimeout(
        () => tell.tookTooLong(new Error("It did not close the channel")),
        timeoutMs,
      );
      unrefTimer(timer);
      tell.closing();
      return toClosing.apply(channel, args);
    };
  }
  return () => clearTimeout(timer);
}

function readReturn(message: Message, secrets: Secrets) {
  // The fields of a return are not in amqplib's types.
  const fields = message.fields as unknown as Record<string, string>;
  const messageId = idOf(message.properties);
  return {
    exchange: fields.exchange,
    routingKey: fields.routingKey,
    messageId: typeof messageId === "string" ? messageId : undefined,
    replyText: printable(secrets.masked(fields.replyText)),
  };
}

/** The id of a message that came back, byte by byte as it was sent. */
function idOf(properties: Message["properties"]): unknown {
  const header = headerOf(properties);
  try {
    return (header === undefined ? properties : decodeHeader(header).properties).messageId;
  } catch {
    return undefined; // The broker has changed it beyond recognition.
  }
}
