import type { FieldTable, OutgoingMessage } from "./amqp/driver.ts";
import { MAX_DATE_SECONDS } from "./amqp/field_values.ts";
import { copyBody, encodeText } from "./body_store.ts";
import { ConfigurationError } from "./errors.ts";
import { copyAndMeasure } from "./headers.ts";
import type { PublishError } from "./publish_errors.ts";
import { encodeRawText, isSendable } from "./raw_text.ts";
import {
  boolean,
  integer,
  knownOptions,
  optionalFunction,
  optionalMilliseconds,
  optionalSignal,
  refuse,
  show,
  text,
} from "./validate.ts";

/** Called with the outcome of one message, each at most once. They may be asynchronous. */
export interface SendCallbacks {
  /** The broker has confirmed the message. */
  ackCallback?: () => unknown;
  /**
   * The message failed, for whatever reason: with a `ConfigurationError` if an option has a bad
   * value, else with a `PublishError`. The promise of the send rejects as well, but counts as handled.
   */
  nackCallback?: (error: PublishError | ConfigurationError) => unknown;
}

/** What can be said of a message, beside its body and destination. */
export interface MessageOptions {
  /**
   * The body: a string is sent as UTF-8 (content type `text/plain; charset=utf-8`), bytes as they
   * are (`application/octet-stream`). The bytes are copied at once.
   */
  body?: string | Uint8Array;
  /** A value to send as JSON (`application/json`), in place of `body`. */
  json?: unknown;
  /**
   * Headers: at most 64 KiB of strings, finite numbers, `bigint`s of 64 bits, booleans, nulls,
   * `Date`s from 1970 on (rounded down to seconds), `Uint8Array`s, decimal numbers
   * (`DecimalValue`), and arrays or plain objects of these, whose keys have 1 to 128
   * bytes. Anything else is refused. The `headers` of a message that was received can be given.
   */
  headers?: FieldTable;
  /** After how many milliseconds in a queue the message expires, 0 to 4 294 967 295. */
  expirationMs?: number;
  /**
   * Taken so that the `properties` of a message that was received can be given as they are: every
   * message is sent persistent (2), whatever is said here.
   */
  deliveryMode?: 1 | 2;
  /** 0 to 255; honoured by queues with `x-max-priority`. */
  priority?: number;
  /** Ties a reply to its request; at most 255 bytes. */
  correlationId?: string;
  /** The queue that a reply should go to; at most 255 bytes. */
  replyTo?: string;
  /** The MIME type of the body; at most 255 bytes. Default: as the kind of body says. */
  contentType?: string;
  /** The encoding of the body, such as `gzip`; at most 255 bytes. */
  contentEncoding?: string;
  /** What kind of message it is, in the program's own words; at most 255 bytes. */
  type?: string;
  /**
   * When the message was created: a `Date` from 1970 on, rounded down to seconds. A number of seconds
   * is taken only if it is beyond what a `Date` holds, as a message that was received may show it.
   */
  timestamp?: Date | number;
  /** Identifies the message; at most 255 bytes. Default: one that is generated. */
  messageId?: string;
  /** The user who sends it, which must be the one who is logged in; at most 255 bytes. */
  userId?: string;
  /** The application that sends it; at most 255 bytes. */
  appId?: string;
  /** Called with the outcome. */
  callbacks?: SendCallbacks;
  /**
   * Whether the broker is to return the message if no queue receives it, so that the send rejects with
   * an `UnroutableError`. With `false` the broker drops such a message and confirms it: the send
   * resolves, and **nobody is told of the loss**.
   *
   * @default {true}
   */
  mandatory?: boolean;
  /**
   * In place of the publisher's `sendTimeoutMs`, for this message: how long its confirm is waited for,
   * in milliseconds from the call on, 1 to 2 147 483 647. Then it rejects with a
   * `ConfirmTimeoutError`; what has not been written by then is never sent.
   */
  sendTimeoutMs?: number;
  /**
   * Withdraws the message when it aborts, as long as it has not been written to the broker: it is
   * never sent, and rejects with a `SendAbortedError` whose `cause` is the signal's reason. Once it
   * has been written nothing can call it back, so that its outcome is awaited as that of any other.
   */
  signal?: AbortSignal;
}

/** A message to an exchange. */
export interface SendMessageOptions extends MessageOptions {
  /** The exchange, which must exist; at most 255 bytes. `""` is the default exchange. */
  exchange: string;
  /**
   * The routing key; at most 255 bytes.
   *
   * @default {""}
   */
  routingKey?: string;
}

/** A message to a queue. */
export interface SendToQueueOptions extends MessageOptions {
  /** The queue, which must exist; at most 255 bytes. */
  queueName: string;
}

const TEXT_PROPERTIES = [
  "correlationId",
  "replyTo",
  "contentType",
  "contentEncoding",
  "type",
  "messageId",
  "userId",
  "appId",
] as const;

const MESSAGE_OPTIONS = [
  "body",
  "json",
  "headers",
  "deliveryMode",
  "expirationMs",
  "priority",
  "timestamp",
  "callbacks",
  ...TEXT_PROPERTIES,
  "mandatory",
  "sendTimeoutMs",
  "signal",
];
const TO_EXCHANGE = ["exchange", "routingKey", ...MESSAGE_OPTIONS];
const TO_QUEUE = ["queueName", ...MESSAGE_OPTIONS];

/** The queue of RabbitMQ's direct reply-to, which older brokers return even when they deliver. */
const DIRECT_REPLY_TO = "amq.rabbitmq.reply-to";

/** A message that was checked and encoded. */
export interface PreparedMessage extends OutgoingMessage {
  /** What it counts towards the bytes that are buffered. */
  readonly bytes: number;
  /** How long its confirm is waited for, if that is not up to the publisher. */
  readonly sendTimeoutMs: number | undefined;
  /** What withdraws it, if anything. */
  readonly signal: AbortSignal | undefined;
}

/** The callbacks of a send that has none. */
export const NO_CALLBACKS: SendCallbacks = {};

/** The callbacks of a send, looked for before anything else so that they hear of bad input too. */
export function sendCallbacks(options: unknown): SendCallbacks {
  const callbacks = (options as MessageOptions | undefined)?.callbacks;
  if (callbacks === undefined) return NO_CALLBACKS;
  knownOptions("callbacks", callbacks, ["ackCallback", "nackCallback"]);
  return {
    ackCallback: optionalFunction("callbacks.ackCallback", callbacks.ackCallback),
    nackCallback: optionalFunction("callbacks.nackCallback", callbacks.nackCallback),
  };
}

/** What is wrong with the options of a send, whoever noticed it: a getter of theirs may throw anything. */
export function badOptions(error: unknown): ConfigurationError {
  if (error instanceof ConfigurationError) return error;
  return new ConfigurationError(
    `Cannot read the options of this send: ${
      error instanceof Error ? error.message : show(error)
    }: pass a plain object whose properties can be read`,
    { cause: error },
  );
}

/** Checks and encodes a message to an exchange. */
export function prepareMessage(options: SendMessageOptions, newId: () => string): PreparedMessage {
  knownOptions("message", options, TO_EXCHANGE);
  const routingKey = options.routingKey === undefined ? "" : text("routingKey", options.routingKey);
  return prepare(text("exchange", options.exchange), routingKey, options, newId);
}

/** Checks and encodes a message to a queue. */
export function prepareMessageToQueue(
  options: SendToQueueOptions,
  newId: () => string,
): PreparedMessage {
  knownOptions("message", options, TO_QUEUE);
  if (options.queueName === "") {
    refuse(
      "queueName",
      options.queueName,
      `a string that is not empty: a temporary queue has its name once "start()" of its consumer ` +
        `has resolved`,
    );
  }
  return prepare("", text("queueName", options.queueName), options, newId);
}

function prepare(
  exchange: string,
  routingKey: string,
  options: MessageOptions,
  newId: () => string,
): PreparedMessage {
  let bytes = 0;
  for (const name of TEXT_PROPERTIES) {
    if (options[name] !== undefined) bytes += property(name, options[name]).length;
  }
  if (options.deliveryMode !== undefined && ![1, 2].includes(options.deliveryMode)) {
    refuse("deliveryMode", options.deliveryMode, "1 or 2");
  }
  if (options.priority !== undefined) {
    integer("priority", options.priority, { min: 0, max: 255 }, 0);
  }
  if (options.expirationMs !== undefined) {
    const range = { min: 0, max: 4_294_967_295, unit: "milliseconds" };
    integer("expirationMs", options.expirationMs, range, 0);
  }
  // The table is copied: what the program changes later must not change a message that waits.
  let headers: FieldTable | undefined;
  if (options.headers !== undefined) {
    const copy = copyAndMeasure("headers", options.headers);
    headers = copy.table;
    bytes += copy.bytes;
  }
  const mandatory = boolean("mandatory", options.mandatory, true);
  const sendTimeoutMs = optionalMilliseconds("sendTimeoutMs", options.sendTimeoutMs, 1);
  const signal = optionalSignal("signal", options.signal);
  const { body, contentType } = encodeBody(options);
  return {
    exchange,
    routingKey,
    body,
    properties: {
      contentType: options.contentType ?? contentType,
      contentEncoding: options.contentEncoding,
      priority: options.priority,
      correlationId: options.correlationId,
      replyTo: options.replyTo,
      expirationMs: options.expirationMs,
      messageId: options.messageId ?? newId(),
      timestamp: checkTimestamp(options.timestamp),
      type: options.type,
      userId: options.userId,
      appId: options.appId,
    },
    headers,
    mandatory: mandatory && !(exchange === "" && routingKey.startsWith(DIRECT_REPLY_TO)),
    bytes: bytes + body.byteLength,
    sendTimeoutMs,
    signal,
  };
}

function encodeBody(options: MessageOptions): { body: Uint8Array; contentType: string } {
  const { body } = options;
  if (Object.hasOwn(options, "json") && options.json !== undefined) {
    if (body !== undefined) {
      throw new ConfigurationError(
        `Cannot use options "body" and "json" together: both are the body: give one of them`,
      );
    }
    return { body: encodeText(toJson(options.json)), contentType: "application/json" };
  }
  if (typeof body === "string") {
    return { body: encodeText(body), contentType: "text/plain; charset=utf-8" };
  }
  if (body instanceof Uint8Array) {
    return { body: copyBody(body), contentType: "application/octet-stream" };
  }
  if (body === undefined) {
    throw new ConfigurationError(
      `Cannot send a message without a body: give "body" (a string or Uint8Array; "" is empty) ` +
        `or "json" (any value but undefined)`,
    );
  }
  throw new ConfigurationError(
    `Cannot use option "body": received ${show(body)}: it must be a string or a Uint8Array; use ` +
      `"json" for other values`,
  );
}

function toJson(value: unknown): string {
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch (cause) {
    throw new ConfigurationError(
      `Cannot use option "json": it cannot be written as JSON (${(cause as Error).message}): ` +
        `leave out what is circular or a BigInt`,
      { cause },
    );
  }
  if (json !== undefined) return json;
  throw new ConfigurationError(
    `Cannot use option "json": received ${show(value)}: it has no form in JSON: send another value`,
  );
}

/** A text as it is; one that was read from bytes that are not UTF-8 stands for those bytes. */
function property(name: string, value: unknown): string {
  const isRaw = typeof value === "string" && !value.isWellFormed() && isSendable(value) &&
    encodeRawText(value).length <= 255;
  return isRaw ? value : text(name, value);
}

function checkTimestamp(timestamp: unknown): Date | number | undefined {
  if (timestamp === undefined) return undefined;
  if (timestamp instanceof Date && timestamp.getTime() >= 0) return new Date(timestamp);
  // Smaller numbers are refused, as most would be milliseconds.
  const isSeconds = Number.isInteger(timestamp) && (timestamp as number) > MAX_DATE_SECONDS &&
    (timestamp as number) < 2 ** 64;
  if (isSeconds) return timestamp as number;
  throw new ConfigurationError(
    `Cannot use option "timestamp": received ${show(timestamp)}: it must be a valid Date from ` +
      `1970 on`,
  );
}
