import { ackFrames } from "./ack_run.ts";
import type {
  ChannelEvents,
  Delivery,
  DriverChannel,
  DriverConnection,
  Settlement,
} from "./amqp/driver.ts";
import type { SessionChannel } from "./channel_session.ts";
import type { ResolvedConsumerOptions } from "./consumer_options.ts";
import { ChannelError } from "./errors.ts";
import { type DeliveryOwner, HeldDelivery } from "./held_delivery.ts";
import { LinkedList } from "./linked_list.ts";
import type { RetryPolicy } from "./retry_policy.ts";
import { TurnEnd } from "./turn_end.ts";

/** The temporary queue of a consumer, which lives as long as the connection it was made on. */
export interface TemporaryQueue {
  readonly name: string;
  readonly connection: DriverConnection;
}

/** What a subscription needs of the consumer it works for. */
export interface SubscriptionHost {
  readonly options: ResolvedConsumerOptions;
  readonly retries: RetryPolicy;
  /** Whether messages are to be taken at the moment. */
  readonly taking: boolean;
  /** Whether the consumer is being stopped, so that nothing is to wait any longer. */
  readonly draining: boolean;
  /** A message arrived. */
  delivered(held: HeldDelivery): void;
  /** A message failed, and goes back to the queue after a delay. */
  retrying(delivery: Delivery): void;
}

/**
 * One channel of a consumer with all its set-up, and the messages that came through it. After the
 * channel is lost a new subscription takes its place; this one then only remembers that its messages
 * are lost.
 */
export class Subscription implements DeliveryOwner, SessionChannel {
  #host: SubscriptionHost;
  #held = new LinkedList<HeldDelivery>();
  #channel: DriverChannel | undefined;
  #consumerTag: string | undefined;
  #closed: (cause: Error) => void;
  /** What is to be acknowledged at the end of this turn. */
  #acks: number[] = [];
  #turnEnd = new TurnEnd(() => this.#flushAcks());
  #settled = 0;
  #empty: PromiseWithResolvers<void> | undefined;
  #queue: TemporaryQueue | undefined;
  #queueName: string;

  private constructor(host: SubscriptionHost, closed: (cause: Error) => void) {
    this.#host = host;
    this.#closed = closed;
    this.#queueName = host.options.queueName;
  }

  /** Opens a channel and sets it up: prefetch, queue, bindings, consumer. */
  static async open(
    host: SubscriptionHost,
    connection: DriverConnection,
    previousQueue: TemporaryQueue | undefined,
    closed: (cause: Error) => void,
  ): Promise<Subscription> {
    const subscription = new Subscription(host, closed);
    const channel = await connection.openChannel(subscription.#events(), { confirms: false });
    subscription.#channel = channel;
    try {
      await subscription.#setUp(channel, connection, previousQueue);
    } catch (error) {
      await channel.close().catch(() => {}); // The broker has closed it, most of the time.
      subscription.abandon(error as Error);
      throw error;
    }
    return subscription;
  }

  /** The queue it consumes from, with its real name. */
  get queueName(): string {
    return this.#queueName;
  }

  /** The temporary queue, where it is one. */
  get temporaryQueue(): TemporaryQueue | undefined {
    return this.#queue;
  }

  /** The messages that are not settled. */
  get held(): Iterable<HeldDelivery> {
    return this.#held;
  }

  /** How many messages are not settled. */
  get outstanding(): number {
    return this.#held.size;
  }

  /** Resolves when nothing is held any more. */
  whenEmpty(): Promise<void> {
    if (this.#held.size === 0) return Promise.resolve();
    this.#empty ??= Promise.withResolvers();
    return this.#empty.promise;
  }

  /** How many messages were settled, those that were only released apart. */
  get settled(): number {
    return this.#settled;
  }

  /** Asks the broker for messages. */
  async consume(): Promise<void> {
    if (this.#consumerTag !== undefined || this.#channel === undefined) return;
    // Chosen here, as deliveries may arrive before the broker's answer does.
    this.#consumerTag = `lapinmq-${crypto.randomUUID()}`;
    await this.#channel.consume(this.#queueName, this.#consumerTag);
  }

  /** Asks the broker for no further messages; those that are held stay. */
  async cancel(): Promise<void> {
    const tag = this.#consumerTag;
    this.#consumerTag = undefined;
    if (tag !== undefined) await this.#channel?.cancel(tag);
  }

  /** Deletes the temporary queue, and closes the channel after everything that was written on it. */
  async close(): Promise<void> {
    this.#flushAcks();
    try {
      if (this.#queue !== undefined) await this.#channel?.deleteQueue(this.#queue.name);
    } finally {
      await this.#channel?.close();
    }
  }

  /** Gives up what is held: it can be settled no more, and the broker will deliver it again. */
  abandon(cause: Error): void {
    // A copy, as what is told of it may settle others.
    for (const held of [...this.#held]) held.lose(cause);
    // Before what is given up is forgotten: an acknowledgement of all up to it would take it along.
    this.#flushAcks();
    this.#held = new LinkedList();
    this.#noteIfEmpty();
  }

  settle(held: HeldDelivery, how: Settlement): boolean {
    this.#held.delete(held);
    if (how === "ack" || how === "reject") this.#host.retries.forget(held.delivery);
    if (how !== "release") this.#settled++;
    try {
      if (this.#channel === undefined) return false;
      if (how === "ack") this.#ackSoon(held.delivery.tag);
      else this.#channel.settle(held.delivery.tag, how);
      return true;
    } catch {
      return false; // The channel is just closing: the broker will deliver the message again.
    } finally {
      this.#noteIfEmpty();
    }
  }

  /** Acknowledges at the end of this turn, together with what else is done by then. */
  #ackSoon(tag: number): void {
    this.#acks.push(tag);
    this.#turnEnd.await();
  }

  /** Writes the acknowledgements that wait for the end of the turn. */
  #flushAcks(): void {
    const tags = this.#acks;
    if (tags.length === 0) return;
    this.#acks = [];
    const lowest = this.#held.first;
    try {
      for (const { tag, multiple } of ackFrames(tags, lowest?.delivery.tag ?? Infinity)) {
        this.#channel?.settle(tag, "ack", multiple);
      }
    } catch {
      // The channel is just closing: the broker will deliver the messages again.
    }
  }

  retryDelay(delivery: Delivery): number {
    this.#host.retrying(delivery);
    return this.#host.draining ? 0 : this.#host.retries.nextDelay(delivery);
  }

  #noteIfEmpty(): void {
    if (this.#held.size > 0) return;
    this.#empty?.resolve();
    this.#empty = undefined;
  }

  #events(): ChannelEvents {
    return {
      confirm: () => {},
      returned: () => {},
      delivery: (delivery) => {
        const held = new HeldDelivery(delivery, this);
        this.#held.add(held);
        this.#host.delivered(held);
      },
      cancelled: () => {
        // Answered on a fresh channel: on this one the broker might not take another consumer.
        const cause = new ChannelError(
          `The broker cancelled the consumer of queue "${this.#queueName}": the queue was deleted, ` +
            `its node left, or an acknowledgement took too long`,
          { code: "CONSUMER_CANCELLED", queue: this.#queueName },
        );
        this.drop(cause);
      },
      closed: (cause) => this.#end(cause),
    };
  }

  /** Gives the channel up, so that a fresh one takes its place. */
  drop(cause: Error): void {
    this.#flushAcks();
    void this.#channel?.close().catch(() => {}); // Whatever it answers, it is not used again.
    this.#end(cause);
  }

  #end(cause: Error): void {
    this.#channel = undefined;
    this.#acks = [];
    this.abandon(cause);
    this.#closed(cause);
  }

  async #setUp(
    channel: DriverChannel,
    connection: DriverConnection,
    previousQueue: TemporaryQueue | undefined,
  ): Promise<void> {
    const { prefetch, bindings, queueName } = this.#host.options;
    await channel.prefetch(prefetch);
    if (queueName === "") {
      this.#queue = await this.#temporaryQueue(channel, connection, previousQueue);
      this.#queueName = this.#queue.name;
    }
    for (const { exchange, bindingKey } of bindings) {
      await channel.bindQueue(this.#queueName, exchange, bindingKey);
    }
    if (this.#host.taking) await this.consume();
  }

  /** The queue of before, where only the channel was lost; else a new one. */
  async #temporaryQueue(
    channel: DriverChannel,
    connection: DriverConnection,
    previous: TemporaryQueue | undefined,
  ): Promise<TemporaryQueue> {
    if (previous?.connection === connection) {
      await channel.checkQueue(previous.name);
      return previous;
    }
    const { queueArguments } = this.#host.options;
    // Brokers may be set to quorum queues by default, which cannot be exclusive.
    const name = await channel.declareTemporaryQueue({
      ...queueArguments,
      "x-queue-type": "classic",
    });
    return { name, connection };
  }
}
