import type { Delivery, QueueCounts } from "./amqp/driver.ts";
import { ChannelError } from "./errors.ts";

/** Whether a delivery looks like one of a stream. Any sender may write this header, too. */
export function looksLikeStream(delivery: Delivery): boolean {
  try {
    return delivery.headers["x-stream-offset"] !== undefined;
  } catch {
    return false; // Headers that cannot be decoded.
  }
}

/** Whether a queue that we consume from is a stream: the broker counts no consumers of those. */
export function isStream({ consumers }: QueueCounts): boolean {
  return consumers === 0;
}

/** Why nothing is consumed from a stream. */
export function streamRefused(queueName: string): ChannelError {
  return new ChannelError(
    `Cannot consume from "${queueName}": it is a stream, which takes no message back: a failed one ` +
      `would be skipped, or the connection closed: nothing of it was settled; use a quorum queue, ` +
      `or a client for streams`,
    { code: "STREAM_NOT_SUPPORTED", queue: queueName },
  );
}
