import { ownBody } from "./body_store.ts";
import type { Send } from "./confirm_window.ts";
import type { LapinmqError } from "./errors.ts";
import {
  describeTarget,
  PublishError,
  PublisherStoppedError,
  type PublishTarget,
} from "./publish_errors.ts";
import type { UnsentMessage } from "./publisher_results.ts";

/** Which message a send is of. */
export function target(send: Send): PublishTarget {
  const { exchange, routingKey } = send.message;
  return { exchange, routingKey, messageId: send.messageId };
}

/** The broker closed the channel because of the message, or it could not be written. */
export function refused(
  send: Send,
  cause: LapinmqError,
  mayHaveArrived = send.written,
): PublishError {
  return new PublishError(
    `Cannot deliver message ${send.messageId} to ${describeTarget(target(send))}: ${cause.message}`,
    target(send),
    { code: cause.code, cause, mayHaveArrived },
  );
}

/** The broker closed the connection at this message, and nothing else was in flight. */
export function brokeConnection(send: Send, cause: Error): PublishError {
  return new PublishError(
    `Cannot deliver message ${send.messageId} to ${describeTarget(target(send))}: the broker ` +
      `closed the connection at it (${cause.message}), as RabbitMQ 4 does if it refuses a message ` +
      `with a long name that is not all ASCII: declare the exchange, or shorten the name`,
    target(send),
    { cause, mayHaveArrived: send.written },
  );
}

/** The body for the program to keep and to change: no socket reads from it any more. */
export function bodyToHandOut({ written, message: { body } }: Send): Uint8Array {
  return written ? new Uint8Array(body) : ownBody(body);
}

/** A send that was given up, as it is handed back to the program. */
export function toUnsent(send: Send): UnsentMessage {
  const { properties, headers } = send.message;
  return { ...target(send), body: bodyToHandOut(send), properties, headers: headers ?? {} };
}

/** The publisher came to its end first. */
export function stoppedFirst(send: Send, reason: string, cause: Error | undefined): PublishError {
  return new PublisherStoppedError(
    `Cannot confirm message ${send.messageId} to ${describeTarget(target(send))}: ${reason} first` +
      `${cause === undefined ? "" : ` (${cause.message})`}: ` +
      (send.written ? "it may or may not have arrived" : "it was not sent"),
    target(send),
    cause,
    send.written,
  );
}
