import { LapinmqError, type LapinmqErrorOptions } from "./errors.ts";
import { printable } from "./printable.ts";

/** Which message a {@linkcode PublishError} speaks of. */
export interface PublishTarget {
  /** The exchange it was sent to; `""` is the default exchange. */
  readonly exchange: string;
  /** Its routing key; with the default exchange, the name of the queue. */
  readonly routingKey: string;
  /** Its `messageId`. */
  readonly messageId: string;
}

/** Names a message's destination in an error message. */
export function describeTarget(target: PublishTarget): string {
  return target.exchange === ""
    ? `queue "${target.routingKey}" (default exchange "", routing key "${target.routingKey}")`
    : `exchange "${target.exchange}" with routing key "${target.routingKey}"`;
}

/** What a {@linkcode PublishError} knows beside its message and target. */
export interface PublishErrorOptions extends LapinmqErrorOptions {
  /**
   * Whether the broker may have taken the message over all the same.
   *
   * @default {false}
   */
  mayHaveArrived?: boolean;
}

/**
 * A message was not confirmed by the broker. The base class of all the ways in which a send fails;
 * `cause` tells more if the broker refused it, such as an `ExchangeNotFoundError`.
 *
 * @example Tell a message that nobody can receive from other failures
 * ```ts no-assert
 * import { type Publisher, UnroutableError } from "@lapinmq/lapinmq";
 *
 * async function trySend(publisher: Publisher): Promise<boolean> {
 *   try {
 *     await publisher.sendMessageToQueue({ queueName: "task_queue", body: "hello" });
 *     return true;
 *   } catch (error) {
 *     if (error instanceof UnroutableError) return false;
 *     throw error;
 *   }
 * }
 * ```
 */
export class PublishError extends LapinmqError implements PublishTarget {
  /** The exchange the message was sent to. */
  readonly exchange: string;
  /** The routing key it was sent with. */
  readonly routingKey: string;
  /** The id of the message. */
  readonly messageId: string;
  /**
   * Whether the broker may have taken the message over all the same, so that sending it again may
   * duplicate it. `false` only if it certainly has not: then it can be sent again without that risk.
   */
  readonly mayHaveArrived: boolean;

  /**
   * Makes the error.
   *
   * @param message What happened and what to do.
   * @param target Which message it is.
   * @param options The code (default `"PUBLISH"`), the cause, and whether it may have arrived.
   */
  constructor(message: string, target: PublishTarget, options: PublishErrorOptions = {}) {
    // It holds names, ids and the broker's words, any of which may come from the network.
    super(printable(message), { code: "PUBLISH", ...options });
    this.exchange = target.exchange;
    this.routingKey = target.routingKey;
    this.messageId = target.messageId;
    this.mayHaveArrived = options.mayHaveArrived ?? false;
  }
}

/** No queue is bound that would receive the message: the broker returned it. */
export class UnroutableError extends PublishError {
  /**
   * Makes the error.
   *
   * @param target Which message it is.
   * @param replyText What the broker said.
   * @param mayHaveArrived Whether an earlier copy of it may have arrived, before a connection was lost.
   */
  constructor(target: PublishTarget, replyText: string, mayHaveArrived = false) {
    super(
      `Cannot deliver message ${target.messageId} to ${
        describeTarget(target)
      }: no queue receives ` +
        `it (${replyText}): declare the queue or its binding, or correct the name`,
      target,
      { code: "UNROUTABLE", mayHaveArrived },
    );
  }
}

/** The broker refused the message, for instance because its queue is full (`reject-publish`). */
export class NackedError extends PublishError {
  /**
   * Makes the error.
   *
   * @param target Which message it is.
   * @param mayHaveArrived Whether an earlier copy of it may have arrived, before a connection was lost.
   */
  constructor(target: PublishTarget, mayHaveArrived = false) {
    super(
      `Cannot deliver message ${target.messageId} to ${describeTarget(target)}: the broker ` +
        `refused it (basic.nack), as a full queue with "x-overflow" "reject-publish" does: send ` +
        `it again later`,
      target,
      { code: "NACKED", mayHaveArrived },
    );
  }
}

/**
 * The broker did not confirm the message in time. If it had been written, its outcome is
 * unknown: it may or may not have arrived.
 */
export class ConfirmTimeoutError extends PublishError {
  /** Whether the message had been written to the broker, so that it may have arrived all the same. */
  readonly written: boolean;

  /**
   * Makes the error.
   *
   * @param target Which message it is.
   * @param timeoutMs How long was waited, in milliseconds.
   * @param written Whether the message had been written.
   * @param reason Why it took so long, if that is known.
   * @param cause The error behind that reason.
   */
  constructor(
    target: PublishTarget,
    timeoutMs: number,
    written: boolean,
    reason: string,
    cause?: unknown,
  ) {
    super(
      `Cannot confirm message ${target.messageId} to ${describeTarget(target)} within ` +
        `${timeoutMs} ms: ${reason}: ` +
        (written
          ? "it may or may not have arrived; sending it again may duplicate it"
          : "it was not sent; send it again later"),
      target,
      { code: "CONFIRM_TIMEOUT", cause, mayHaveArrived: written },
    );
    this.written = written;
  }
}

/** The publisher is not running: it was not started, or it was stopped before the confirm came. */
export class PublisherStoppedError extends PublishError {
  /**
   * Makes the error.
   *
   * @param message What happened and what to do.
   * @param target Which message it is.
   * @param cause Why the publisher stopped, if that is known.
   * @param mayHaveArrived Whether the message had been written to the broker.
   */
  constructor(message: string, target: PublishTarget, cause?: unknown, mayHaveArrived = false) {
    super(message, target, { code: "PUBLISHER_STOPPED", cause, mayHaveArrived });
  }
}

/** The `signal` of the send aborted before the message was written: it was not sent, and will not be. */
export class SendAbortedError extends PublishError {
  /**
   * Makes the error.
   *
   * @param target Which message it is.
   * @param reason The reason of the signal, which becomes the cause.
   */
  constructor(target: PublishTarget, reason: unknown) {
    super(
      `Cannot send message ${target.messageId} to ${describeTarget(target)}: its signal aborted ` +
        `before it was written: it was not sent; send it again if it is still wanted`,
      target,
      { code: "SEND_ABORTED", cause: reason },
    );
  }
}

/** Too many messages or bytes already wait to be confirmed. */
export class PublisherOverflowError extends PublishError {
  /**
   * Makes the error.
   *
   * @param target Which message it is.
   * @param limit The limit that was reached, such as `maxBufferedMessages (100000)`.
   */
  constructor(target: PublishTarget, limit: string) {
    super(
      `Cannot take message ${target.messageId} to ${
        describeTarget(target)
      }: ${limit} is reached: ` +
        `await the sends, or "publisher.ready", before sending more`,
      target,
      { code: "PUBLISHER_OVERFLOW" },
    );
  }
}

/** The connection was lost before the confirm, and `onConnectionLoss: "reject"` was asked for. */
export class ConnectionLostError extends PublishError {
  /**
   * Makes the error.
   *
   * @param target Which message it is.
   * @param cause What broke the connection.
   */
  constructor(target: PublishTarget, cause?: unknown) {
    super(
      `Cannot confirm message ${target.messageId} to ${
        describeTarget(target)
      }: the channel to the ` +
        `broker was lost first: it may or may not have arrived; sending it again may duplicate it`,
      target,
      { code: "CONNECTION_LOST", cause, mayHaveArrived: true },
    );
  }
}
