/**
 * The error classes of the library. Every one extends {@linkcode LapinmqError} and carries a stable
 * `code`; a class of its own exists only where a caller would catch it apart from the others.
 *
 * @module
 */

/** Options that every error of the library takes. */
export interface LapinmqErrorOptions {
  /** A stable, machine-readable name of what went wrong. */
  code?: string;
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
  readonly code: string;

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

/** The broker cannot be reached, or the connection to it was lost. */
export class ConnectionError extends LapinmqError {
  /**
   * Makes the error.
   *
   * @param message What cannot be done, why, and what to do about it.
   * @param options The code (default `"CONNECTION"`) and the cause.
   */
  constructor(message: string, options: LapinmqErrorOptions = {}) {
    super(message, { code: "CONNECTION", ...options });
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
}

/** The broker closed a channel, or refused an operation on it. */
export class ChannelError extends LapinmqError {
  /**
   * The reply code of the broker, such as 404, where it gave one
   * (https://www.rabbitmq.com/docs/channels#error-handling).
   */
  readonly replyCode?: number;
  /** The exchange that the broker spoke of, where it named one. */
  readonly exchange?: string;
  /** The queue that the broker spoke of, where it named one. */
  readonly queue?: string;

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
