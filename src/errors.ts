/**
 * The error classes of the library. Every one extends {@linkcode LapinmqError} and carries a stable
 * `code`; a class of its own exists only if a caller would catch it apart from the others.
 *
 * @module
 */

/**
 * Every `code` of a {@linkcode LapinmqError}.
 *
 * | code | class | what went wrong |
 * |---|---|---|
 * | `LAPINMQ` | `LapinmqError` | none of the below |
 * | `CONFIGURATION` | `ConfigurationError` | an option, argument or variable of the environment has a bad value |
 * | `CONNECTION` | `ConnectionError` | the broker cannot be reached, or the connection was lost |
 * | `CONNECT_TIMEOUT` | `ConnectionError` | the broker did not answer within `connectTimeoutMs` |
 * | `BROKER_TIMEOUT` | `ConnectionError` | the broker did not answer on an open connection |
 * | `CONNECTION_LIMIT` | `ConnectionError` | the broker has as many connections as it allows |
 * | `BLOCKED` | `ConnectionError` | the broker accepts no messages for now, for instance as it is low on memory |
 * | `START_TIMEOUT` | `ConnectionError` | a `start()` took longer than `startTimeoutMs` |
 * | `GAVE_UP` | `ConnectionError` | `giveUpAfterMs` was over before it could recover |
 * | `PERMISSION` | `ConnectionError` | the program lacks a permission of its runtime |
 * | `CERTIFICATE` | `ConnectionError` | the certificate of the broker is not trusted |
 * | `CLIENT_CERTIFICATE` | `ConnectionError` | the broker wants a client certificate, or `tls.cert` and `tls.key` cannot be used |
 * | `NOT_TLS` | `ConnectionError` | what answers there does not speak TLS |
 * | `NOT_AMQP` | `ConnectionError` | what answers there does not speak AMQP 0-9-1 |
 * | `DIAL` | `ConnectionError` | the function `dial` failed |
 * | `CREDENTIALS` | `ConnectionError` | the function `credentials` failed |
 * | `AUTHENTICATION` | `AuthenticationError` | the broker refuses the user name and password |
 * | `VHOST` | `AuthenticationError` | the virtual host does not exist, or the user may not use it |
 * | `CHANNEL` | `ChannelError` | the broker closed a channel |
 * | `CHANNEL_LIMIT` | `ChannelError` | the connection has as many channels as it may |
 * | `QUEUE_NOT_FOUND` | `QueueNotFoundError` | the queue does not exist |
 * | `QUEUE_DOWN` | `ChannelError` | the queue is there, but not at work for now, for instance as its node is down |
 * | `EXCHANGE_NOT_FOUND` | `ExchangeNotFoundError` | the exchange does not exist |
 * | `ACCESS_REFUSED` | `AccessRefusedError` | a permission at the broker is missing, or a queue is another's |
 * | `CONSUMER_CANCELLED` | `ChannelError` | the broker cancelled the consumer, for instance as its queue was deleted |
 * | `STREAM_NOT_SUPPORTED` | `ChannelError` | the queue is a stream, which this library does not consume from |
 * | `CONSUMER_STOPPED` | `LapinmqError` | the consumer is not running, or was stopped before it had started |
 * | `CONFIRMS_OVERDUE` | `ChannelError` | a channel was given up, as its confirms did not come |
 * | `MESSAGE_DECODE` | `MessageDecodeError` | a body or headers cannot be decoded |
 * | `NOT_IN_TASK_MODULE` | `LapinmqError` | a task apart from the program asked for what stays in the program |
 * | `PUBLISH` | `PublishError` | the broker refused a message; `cause` tells why |
 * | `UNROUTABLE` | `UnroutableError` | no queue receives a message |
 * | `NACKED` | `NackedError` | the broker refused a message, as a full queue may |
 * | `CONFIRM_TIMEOUT` | `ConfirmTimeoutError` | a message was not confirmed within `sendTimeoutMs` |
 * | `CONNECTION_LOST` | `ConnectionLostError` | the connection was lost before a confirm |
 * | `SEND_ABORTED` | `SendAbortedError` | the signal of a send aborted before it was written |
 * | `PUBLISHER_OVERFLOW` | `PublisherOverflowError` | too much waits to be confirmed |
 * | `PUBLISHER_STOPPED` | `PublisherStoppedError` | the publisher is not running |
 */
export type LapinmqErrorCode =
  | "LAPINMQ"
  | "CONFIGURATION"
  | "CONNECTION"
  | "CONNECT_TIMEOUT"
  | "BROKER_TIMEOUT"
  | "CONNECTION_LIMIT"
  | "BLOCKED"
  | "START_TIMEOUT"
  | "GAVE_UP"
  | "PERMISSION"
  | "CERTIFICATE"
  | "CLIENT_CERTIFICATE"
  | "NOT_TLS"
  | "NOT_AMQP"
  | "DIAL"
  | "CREDENTIALS"
  | "AUTHENTICATION"
  | "VHOST"
  | "CHANNEL"
  | "CHANNEL_LIMIT"
  | "QUEUE_NOT_FOUND"
  | "QUEUE_DOWN"
  | "EXCHANGE_NOT_FOUND"
  | "ACCESS_REFUSED"
  | "CONSUMER_CANCELLED"
  | "STREAM_NOT_SUPPORTED"
  | "CONSUMER_STOPPED"
  | "CONFIRMS_OVERDUE"
  | "MESSAGE_DECODE"
  | "NOT_IN_TASK_MODULE"
  | "PUBLISH"
  | "UNROUTABLE"
  | "NACKED"
  | "CONFIRM_TIMEOUT"
  | "CONNECTION_LOST"
  | "SEND_ABORTED"
  | "PUBLISHER_OVERFLOW"
  | "PUBLISHER_STOPPED";

/** Options that every error of the library takes. */
export interface LapinmqErrorOptions {
  /** A stable, machine-readable name of what went wrong. */
  code?: LapinmqErrorCode;
  /** What led to this error. */
  cause?: unknown;
}

/**
 * The base class of every error that this library creates.
 *
 * @example Tell the library's errors from others
 * ```ts no-assert
 * import { LapinmqError } from "@lapinmq/lapinmq";
 *
 * function describe(error: unknown): string {
 *   return error instanceof LapinmqError ? `${error.code}: ${error.message}` : String(error);
 * }
 * ```
 */
export class LapinmqError extends Error {
  /** A stable, machine-readable name of what went wrong, such as `"UNROUTABLE"`. */
  readonly code: LapinmqErrorCode;

  /**
   * Makes the error.
   *
   * @param message What cannot be done, why, and what to do about it.
   * @param options The code and the cause.
   */
  constructor(message: string, options: LapinmqErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = options.code ?? "LAPINMQ";
  }
}

/** An option, argument or environment variable is missing, malformed, out of range or contradictory. */
export class ConfigurationError extends LapinmqError {
  /**
   * Makes the error.
   *
   * @param message Names the option, the value received and the allowed range.
   * @param options The cause, if there is one.
   */
  constructor(message: string, options: LapinmqErrorOptions = {}) {
    super(message, { code: "CONFIGURATION", ...options });
  }
}

/** What a {@linkcode ConnectionError} knows beside its message. */
export interface ConnectionErrorOptions extends LapinmqErrorOptions {
  /** The reply code of the broker, such as 320. */
  replyCode?: number;
}

/** The broker cannot be reached, or the connection to it was lost. */
export class ConnectionError extends LapinmqError {
  /** The reply code with which the broker closed the connection, such as 320, if it did. */
  readonly replyCode?: number;

  /**
   * Makes the error.
   *
   * @param message What cannot be done, why, and what to do about it.
   * @param options The code (default `"CONNECTION"`), the cause, and what else is known.
   */
  constructor(message: string, options: ConnectionErrorOptions = {}) {
    super(message, { code: "CONNECTION", ...options });
    if (options.replyCode !== undefined) this.replyCode = options.replyCode;
  }
}

/** The broker refused the user name and password, or the user may not use the virtual host. */
export class AuthenticationError extends ConnectionError {
  /**
   * Makes the error.
   *
   * @param message What was refused; never contains the password.
   * @param options The cause.
   */
  constructor(message: string, options: LapinmqErrorOptions = {}) {
    super(message, { code: "AUTHENTICATION", ...options });
  }
}

/** What a {@linkcode ChannelError} knows beside its message. */
export interface ChannelErrorOptions extends LapinmqErrorOptions {
  /** The reply code of the broker, such as 404. */
  replyCode?: number;
  /** The exchange that the broker spoke of. */
  exchange?: string;
  /** The queue that the broker spoke of. */
  queue?: string;
  /** The broker's own words. */
  replyText?: string;
  /** The method of AMQP that the broker refused, such as `basic.publish`. */
  method?: string;
}

/** The broker closed a channel, or refused an operation on it. */
export class ChannelError extends LapinmqError {
  /**
   * The reply code of the broker, such as 404, if it gave one
   * (https://www.rabbitmq.com/docs/channels#error-handling).
   */
  readonly replyCode?: number;
  /** The exchange that the broker spoke of, if it named one whole. */
  readonly exchange?: string;
  /** The queue that the broker spoke of, if it named one whole. */
  readonly queue?: string;
  /** The broker's own words, if it said why. It cuts them after 252 bytes, within a name if need be. */
  readonly replyText?: string;
  /** The method of AMQP that the broker refused, such as `basic.publish`, if it said which. */
  readonly method?: string;

  /**
   * Makes the error.
   *
   * @param message What was refused and why.
   * @param options What else is known; the code is `"CHANNEL"` by default.
   */
  constructor(message: string, options: ChannelErrorOptions = {}) {
    super(message, { code: "CHANNEL", ...options });
    this.replyCode = options.replyCode;
    this.exchange = options.exchange;
    this.queue = options.queue;
    this.replyText = options.replyText;
    this.method = options.method;
  }
}

/** The queue does not exist. */
export class QueueNotFoundError extends ChannelError {
  /**
   * Makes the error.
   *
   * @param message Names the queue.
   * @param options What else is known.
   */
  constructor(message: string, options: ChannelErrorOptions = {}) {
    super(message, { code: "QUEUE_NOT_FOUND", replyCode: 404, ...options });
  }
}

/** The exchange does not exist. */
export class ExchangeNotFoundError extends ChannelError {
  /**
   * Makes the error.
   *
   * @param message Names the exchange.
   * @param options What else is known.
   */
  constructor(message: string, options: ChannelErrorOptions = {}) {
    super(message, { code: "EXCHANGE_NOT_FOUND", replyCode: 404, ...options });
  }
}

/** The user has no permission for the queue or exchange, or another connection has it exclusively. */
export class AccessRefusedError extends ChannelError {
  /**
   * Makes the error.
   *
   * @param message Names what was refused.
   * @param options What else is known; the reply code is 403 or 405.
   */
  constructor(message: string, options: ChannelErrorOptions = {}) {
    super(message, { code: "ACCESS_REFUSED", replyCode: 403, ...options });
  }
}

/**
 * The body of a message is not what `text()` or `json()` was asked to read, or its headers cannot be
 * decoded.
 */
export class MessageDecodeError extends LapinmqError {
  /**
   * Makes the error.
   *
   * @param message What could not be read.
   * @param options The cause.
   */
  constructor(message: string, options: LapinmqErrorOptions = {}) {
    super(message, { code: "MESSAGE_DECODE", ...options });
  }
}
