/**
 * The seam between the library and the AMQP client it sits on: small enough to be replaced in a
 * test, and the only shape in which the rest of the library knows a connection or a channel.
 *
 * Everything here fails with the error classes of `../errors.ts` and within a deadline. The events
 * never throw back into the driver.
 */

import type { Duplex } from "node:stream";
import type { Endpoint } from "../endpoints.ts";

/**
 * Opens the way to the broker: gives a stream to it, open or still opening. With TLS that is spoken
 * over this stream.
 *
 * @example Through a unix socket
 * ```ts no-assert
 * import { connect } from "node:net";
 * import { Connection } from "@lapinmq/lapinmq";
 *
 * const connection = new Connection({ dial: () => connect("/run/rabbitmq.sock") });
 * ```
 */
export type Dial = (hostname: string, port: number) => Duplex | Promise<Duplex>;

/** What a driver needs to open one connection. */
export interface ConnectTarget {
  readonly endpoint: Endpoint;
  readonly heartbeatSeconds: number;
  readonly timeoutMs: number;
  readonly connectionName: string | undefined;
  /** Opens the stream to the broker, if that is not a TCP connection of the driver's own. */
  readonly dial?: Dial;
}

/** What a connection tells while it is open. */
export interface ConnectionEvents {
  /** The connection is gone, for whatever reason; called once, and never before it was opened. */
  closed(cause: Error): void;
  /** The broker stopped reading from publishing connections, and why. */
  blocked(reason: string): void;
  /** The broker reads again. */
  unblocked(): void;
  /** Something that the program should know although the connection works; called once at most. */
  noted?(note: string): void;
}

/** Opens connections. */
export interface Driver {
  connect(
    target: ConnectTarget,
    events: ConnectionEvents,
    signal: AbortSignal,
  ): Promise<DriverConnection>;
}

/** An open connection. */
export interface DriverConnection {
  /** The interval of the heartbeats that was agreed on with the broker; 0 if there are none. */
  readonly heartbeatSeconds: number;
  openChannel(events: ChannelEvents, options: { confirms: boolean }): Promise<DriverChannel>;
  /** Closes politely, and destroys the socket if that takes longer than `timeoutMs`. */
  close(timeoutMs: number): Promise<void>;
  /** Gives the broker a new password before the old one expires (`connection.update-secret`). */
  updateSecret(secret: string): Promise<void>;
  /** Destroys the socket at once. */
  destroy(): void;
  /** Whether the open connection keeps the program alive. Returns whether that could be changed. */
  keepAlive(alive: boolean): boolean;
}

/** What a channel tells while it is open. */
export interface ChannelEvents {
  /** The broker confirmed, or refused, one message or all up to it. */
  confirm(tag: number, multiple: boolean, ok: boolean): void;
  /** The broker returned an unroutable message. It precedes the confirm. */
  returned(message: ReturnedMessage): void;
  /** A message for the consumer. */
  delivery(delivery: Delivery): void;
  /** The broker cancelled the consumer, for instance because its queue was deleted. */
  cancelled(): void;
  /** The channel is gone, for whatever reason; called once. */
  closed(cause: Error): void;
}

/** Identifies a message that came back. */
export interface ReturnedMessage {
  readonly exchange: string;
  readonly routingKey: string;
  readonly messageId: string | undefined;
  readonly replyText: string;
}

/** A decimal number in a table: `digits` × 10 to the power of −`places`. */
export interface DecimalValue {
  /** Tells it from a table. */
  readonly "!": "decimal";
  /** The number. */
  readonly value: {
    /** How many of the digits stand behind the point, 0 to 255. */
    readonly places: number;
    /** The digits as a whole number of 32 bits with a sign. */
    readonly digits: number;
  };
}

/**
 * A value in a table of headers or arguments. The program gives it and receives it in the same form.
 * Numbers are written as integers of 32 or 64 bits if they are whole, else as doubles; an integer
 * of more than 53 bits is received as a `bigint`; a `Date` holds whole seconds, and one that it cannot
 * hold is received as the number of seconds since 1970; a text whose bytes are not UTF-8 is received
 * as a `Uint8Array`.
 */
export type FieldValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | Date
  | Uint8Array
  | DecimalValue
  | readonly FieldValue[]
  | { readonly [key: string]: FieldValue | undefined };

/** A table of headers or arguments. */
export type FieldTable = { readonly [key: string]: FieldValue | undefined };

/** The properties of a message (AMQP 0-9-1, class `basic`), headers apart. */
export interface MessageProperties {
  /** The MIME type of the body, such as `application/json`. */
  readonly contentType?: string;
  /** The encoding of the body, such as `gzip`. */
  readonly contentEncoding?: string;
  /** Whether the broker keeps it on disk (2) or in memory (1). */
  readonly deliveryMode?: 1 | 2;
  /** 0 to 255; only a queue with `x-max-priority` honours it. */
  readonly priority?: number;
  /** Ties a reply to its request. */
  readonly correlationId?: string;
  /** The queue that a reply should go to. */
  readonly replyTo?: string;
  /** After how many milliseconds in the queue the message expires. */
  readonly expirationMs?: number;
  /** Identifies the message, so that a duplicate can be recognised. */
  readonly messageId?: string;
  /**
   * When the message was created; the protocol keeps whole seconds. A number of seconds since 1970
   * only if that is beyond what a `Date` holds, as from a sender that writes microseconds.
   */
  readonly timestamp?: Date | number;
  /** What kind of message it is, in the program's own words. */
  readonly type?: string;
  /** The user who sent it; the broker checks it. */
  readonly userId?: string;
  /** The application that sent it. */
  readonly appId?: string;
}

/** A message as it is written. */
export interface OutgoingMessage {
  readonly exchange: string;
  readonly routingKey: string;
  readonly body: Uint8Array;
  readonly properties: MessageProperties;
  readonly headers: FieldTable | undefined;
  readonly mandatory: boolean;
}

/** A message as it arrives. */
export interface Delivery {
  /** Its number on its channel. */
  readonly tag: number;
  /** Whether the broker may have delivered the message before. */
  readonly redelivered: boolean;
  /** The exchange it was sent to. */
  readonly exchange: string;
  /** The routing key it was sent with. */
  readonly routingKey: string;
  /** The body. */
  readonly body: Uint8Array;
  /** The properties, headers apart. */
  readonly properties: MessageProperties;
  /** The headers; if they cannot be decoded, looking at them throws a `MessageDecodeError`. */
  readonly headers: FieldTable;
}

/**
 * How a delivery is settled: acknowledged; `reject`ed as failed, with or without requeue; or
 * `release`d, as it was never worked on. Newer quorum queues count a reject towards their delivery
 * limit and a release (`basic.nack`) not.
 */
export type Settlement = "ack" | "reject" | "requeue" | "release";

/** What the broker counts of a queue. */
export interface QueueCounts {
  /** How many messages could be delivered at once. */
  readonly ready: number;
  /** How many consumers it has; a stream has none, whoever consumes from it. */
  readonly consumers: number;
}

/** An open channel. */
export interface DriverChannel {
  /** Writes a message; its delivery tag is the next on this channel, counted from 1. */
  publish(message: OutgoingMessage): void;
  /** Whether the socket may still read from the body of a message that was published on this channel. */
  isLent(body: Uint8Array): boolean;
  /** Settles one delivery; with `multiple`, acknowledges all up to it that are not settled yet. */
  settle(tag: number, how: Settlement, multiple?: boolean): void;
  prefetch(count: number): Promise<void>;
  /** Declares an exclusive queue that goes with the connection, and returns its name. */
  declareTemporaryQueue(queueArguments: FieldTable): Promise<string>;
  /** Fails with a `QueueNotFoundError` if there is no such queue. */
  checkQueue(queueName: string): Promise<QueueCounts>;
  deleteQueue(queueName: string): Promise<void>;
  bindQueue(queueName: string, exchange: string, bindingKey: string): Promise<void>;
  /** Deliveries may arrive before the promise resolves. */
  consume(queueName: string, consumerTag: string): Promise<void>;
  cancel(consumerTag: string): Promise<void>;
  /** Closes after all that was written on this channel. */
  close(): Promise<void>;
}
