import { doubled } from "./backoff.ts";
import type { Delivery } from "./amqp/driver.ts";

/** How many messages whose attempts this process counts are remembered. */
const REMEMBERED = 10_000;
/** The delay grows no further than this, unless the first is longer already. */
const MAX_DELAY_MS = 30_000;
/** So much of a body tells messages without an id apart. */
const HASHED_BYTES = 4_096;

/** What the header of the broker's count says; the sender may have written it. */
function claimedCount(delivery: Delivery): number | undefined {
  try {
    const count = delivery.headers["x-delivery-count"];
    return Number.isSafeInteger(count) && count as number >= 0 ? count as number : undefined;
  } catch {
    return undefined; // Headers that cannot be decoded.
  }
}

/** How often the broker says that it has delivered the message before; quorum queues count it. */
export function deliveryCount(delivery: Delivery): number | undefined {
  // The first time it has nothing to say, and what is there was written by the sender.
  return delivery.redelivered ? claimedCount(delivery) : undefined;
}

/** The id of a message; `undefined` if it has none, or its properties cannot be decoded. */
export function messageIdOf(delivery: Delivery): string | undefined {
  try {
    return delivery.properties.messageId;
  } catch {
    return undefined;
  }
}

/** What tells a message without an id from others: where it was sent and what is in it. */
function contentKey(delivery: Delivery): string {
  const { exchange, routingKey, body } = delivery;
  let hash = 0x811c9dc5;
  for (const byte of body.subarray(0, HASHED_BYTES)) hash = Math.imul(hash ^ byte, 0x01000193);
  return `\0${exchange}\0${routingKey}\0${body.length}\0${hash}`;
}

/** What is remembered of a message that has failed. */
interface Failures {
  readonly count: number;
  /** What its header said at the last of them; 0 if it said nothing. */
  readonly claimed: number;
}

/**
 * How long a failed message waits before it is requeued: doubling with each attempt. This process
 * counts the attempts, as far as it remembers. What the broker counts, and other processes add to, is
 * believed if that is more, and if the broker was seen to keep that count: on a queue that
 * counts nothing the header is whatever the sender wrote.
 */
export class RetryPolicy {
  #baseMs: number;
  #failures = new Map<string, Failures>();
  /** Whether a message came back with a higher count than it had before. */
  #brokerCounts = false;

  constructor(baseMs: number) {
    this.#baseMs = baseMs;
  }

  /** Which attempt at this message this is, from 1, as far as anybody has counted. */
  attempt(delivery: Delivery): number {
    return this.#attempt(delivery, this.#before(delivery));
  }

  /** How often the broker has delivered it before, if it is known to count that. */
  countOfBroker(delivery: Delivery): number | undefined {
    return this.#brokerCounts ? deliveryCount(delivery) : undefined;
  }

  /** What {@linkcode RetryPolicy.nextDelay} would say, without counting a failure. */
  delay(delivery: Delivery): number {
    return this.#delayOf(this.attempt(delivery));
  }

  /** The delay after another failure of this message, in milliseconds. */
  nextDelay(delivery: Delivery): number {
    const key = messageIdOf(delivery) ?? contentKey(delivery);
    const attempt = this.#attempt(delivery, this.#before(delivery));
    // Deleted first, so that the one that failed last is the last to be forgotten.
    this.#failures.delete(key);
    this.#failures.set(key, { count: attempt, claimed: claimedCount(delivery) ?? 0 });
    if (this.#failures.size > REMEMBERED) {
      this.#failures.delete(this.#failures.keys().next().value!);
    }
    return this.#delayOf(attempt);
  }

  #delayOf(attempt: number): number {
    return doubled(this.#baseMs, attempt, Math.max(this.#baseMs, MAX_DELAY_MS));
  }

  /** The message needs no further attempt. */
  forget(delivery: Delivery): void {
    // One that has failed here comes back as one that was delivered before.
    if (this.#failures.size === 0 || !delivery.redelivered) return;
    this.#failures.delete(messageIdOf(delivery) ?? contentKey(delivery));
  }

  #before(delivery: Delivery): Failures | undefined {
    if (this.#failures.size === 0) return undefined;
    const messageId = messageIdOf(delivery);
    if (messageId !== undefined) return this.#failures.get(messageId);
    // Without an id, one that comes for the first time is another message, although it looks the same.
    return delivery.redelivered ? this.#failures.get(contentKey(delivery)) : undefined;
  }

  #attempt(delivery: Delivery, before: Failures | undefined): number {
    const counted = deliveryCount(delivery);
    if (counted !== undefined && before !== undefined && counted > before.claimed) {
      this.#brokerCounts = true;
    }
    const own = before?.count ?? (delivery.redelivered ? 1 : 0);
    return Math.max(own, this.#brokerCounts ? counted ?? 0 : 0) + 1;
  }
}
