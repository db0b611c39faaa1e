import { doubled } from "./backoff.ts";
import type { Delivery } from "./amqp/driver.ts";

/** How many messages whose attempts only this process counts are remembered. */
const REMEMBERED = 10_000;
/** The delay grows no further than this, unless the first is longer already. */
const MAX_DELAY_MS = 30_000;

/** How often the broker says that it has delivered the message before; quorum queues count it. */
export function deliveryCount(delivery: Delivery): number | undefined {
  try {
    const count = delivery.headers["x-delivery-count"];
    return typeof count === "number" ? count : undefined;
  } catch {
    return undefined; // Headers that cannot be decoded.
  }
}

function messageIdOf(delivery: Delivery): string | undefined {
  try {
    return delivery.properties.messageId;
  } catch {
    return undefined; // Properties that cannot be decoded.
  }
}

/**
 * How long a failed message waits before it is requeued: doubling with each attempt. Quorum queues
 * count the attempts; for the others this process does, by `messageId`, as far as it remembers.
 */
export class RetryPolicy {
  #baseMs: number;
  #attempts = new Map<string, number>();

  constructor(baseMs: number) {
    this.#baseMs = baseMs;
  }

  /** The delay after another failure of this message, in milliseconds. */
  nextDelay(delivery: Delivery): number {
    if (this.#baseMs === 0) return 0;
    const attempt = this.#countAttempt(delivery);
    return doubled(this.#baseMs, attempt, Math.max(this.#baseMs, MAX_DELAY_MS));
  }

  /** The message needs no further attempt. */
  forget(delivery: Delivery): void {
    if (this.#attempts.size === 0) return;
    const messageId = messageIdOf(delivery);
    if (messageId !== undefined) this.#attempts.delete(messageId);
  }

  #countAttempt(delivery: Delivery): number {
    const counted = deliveryCount(delivery);
    if (counted !== undefined) return counted + 1;
    const messageId = messageIdOf(delivery);
    const before = (messageId === undefined ? undefined : this.#attempts.get(messageId)) ??
      (delivery.redelivered ? 1 : 0);
    if (messageId !== undefined) {
      // Deleted first, so that the one that failed last is the last to be forgotten.
      this.#attempts.delete(messageId);
      this.#attempts.set(messageId, before + 1);
      if (this.#attempts.size > REMEMBERED) {
        this.#attempts.delete(this.#attempts.keys().next().value!);
      }
    }
    return before + 1;
  }
}
