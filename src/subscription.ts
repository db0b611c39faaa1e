import { AckBatch } from "./ack_batch.ts";
import type {
  ChannelEvents,
  Delivery,
  DriverChannel,
  DriverConnection,
  QueueCounts,
  Settlement,
} from "./amqp/driver.ts";
import {
  ChannelConsumers,
  type ConsumersOwner,
  type WantedConsumers,
} from "./channel_consumers.ts";
import type { SessionChannel } from "./channel_session.ts";
import type { ResolvedConsumerOptions } from "./consumer_options.ts";
import { ChannelError } from "./errors.ts";
import type { HeldUp } from "./health.ts";
import { type DeliveryOwner, HeldDelivery } from "./held_delivery.ts";
import { LinkedList } from "./linked_list.ts";
import type { RetryPolicy } from "./retry_policy.ts";
import { RetryRoom, type RoomOwner } from "./retry_room.ts";
import { isStream, looksLikeStream, streamRefused } from "./stream_check.ts";

/** The temporary queue of a consumer, which lives as long as the connection it was made on. */
export interface TemporaryQueue {
  readonly name: string;
  readonly connection: DriverConnection;
}

/** What was done with messages. It goes on being counted from one channel to the next. */
export interface Tally {
  /** How many were settled by their tasks or callbacks. */
  settled: number;
  /** How many had not begun and went back to the queue. */
  released: number;
  /** How many were being worked on when their channel was lost. */
  lost: number;
}

/** What a subscription needs of the consumer it works for. */
export interface SubscriptionHost {
  readonly options: ResolvedConsumerOptions;
  readonly retries: RetryPolicy;
  readonly tally: Tally;
  /** Whether messages are to be taken at the moment. */
  readonly taking: boolean;
  /** Whether the consumer is being stopped, so that nothing is to wait any longer. */
  readonly draining: boolean;
  /** A message arrived, while messages are to be taken. */
  delivered(held: HeldDelivery): void;
  /** A message failed, and goes back to the queue after a delay. */
  retrying(delivery: Delivery): void;
  /** A listener of a message's signal threw. */
  listenerThrew(error: unknown): void;
  /** A message was rejected without requeue. */
  rejected(held: HeldDelivery, reason: string): void;
  /** The queue cannot be consumed from, now or later. */
  refused(cause: Error): void;
  /** Whether further consumers may be added to a channel: unset if the broker refused one. */
  mayAddConsumers: boolean;
}

/**
 * One channel of a consumer with all its set-up, and the messages that came through it. After the
 * channel is lost a new subscription takes its place; this one then only remembers that its messages
 * are lost.
 */
export class Subscription implements DeliveryOwner, SessionChannel, ConsumersOwner, RoomOwner {
  #host: SubscriptionHost;
  #held = new LinkedList<HeldDelivery>();
  /** Of these, what came while none were to be taken, or has not begun and is to go back. */
  #parked: HeldDelivery[] = [];
  /** Of these, what was worked on and goes back once the broker does not deliver here any more. */
  #returns: HeldDelivery[] = [];
  #channel: DriverChannel | undefined;
  #consumers: ChannelConsumers | undefined;
  #room = new RetryRoom(this);
  #acks = new AckBatch(() => this.#channel, () => this.#held.first?.delivery.tag ?? Infinity);
  #closed: (cause: Error) => void;
  #life: AbortSignal;
  /** Whether it takes nothing more, whatever its consumer does, which may have another by now. */
  #isOver = false;
  #endLife = () => void (this.#isOver = true);
  /** Whether the queue is known to be no stream. */
  #isChecked = false;
  #empty: PromiseWithResolvers<void> | undefined;
  #queue: TemporaryQueue | undefined;
  #queueName: string;

  private constructor(host: SubscriptionHost, closed: (cause: Error) => void, life: AbortSignal) {
    this.#host = host;
    this.#closed = closed;
    this.#life = life;
    this.#queueName = host.options.queueName;
    life.addEventListener("abort", this.#endLife, { once: true });
  }

  /**
   * Opens a channel and sets it up: prefetch, queue, bindings, consumer.
   *
   * @param life Aborted when the consumer was stopped.
   */
  static async open(
    host: SubscriptionHost,
    connection: DriverConnection,
    previousQueue: TemporaryQueue | undefined,
    closed: (cause: Error) => void,
    life: AbortSignal,
  ): Promise<Subscription> {
    const subscription = new Subscription(host, closed, life);
    try {
      const channel = await connection.openChannel(subscription.#events(), { confirms: false });
      subscription.#channel = channel;
      await subscription.#setUp(channel, connection, previousQueue);
    } catch (error) {
      await subscription.#channel?.close().catch(() => {}); // The broker has closed it, most of the time.
      subscription.#leave(error as Error);
      throw error;
    }
    return subscription;
  }

  /** The queue it consumes from, with its real name. */
  get queueName(): string {
    return this.#queueName;
  }

  /** The temporary queue, if it is one. */
  get temporaryQueue(): TemporaryQueue | undefined {
    return this.#queue;
  }

  get prefetch(): number {
    return this.#host.options.prefetch;
  }

  get workers(): number {
    return this.#host.options.workers;
  }

  get mayAdd(): boolean {
    return this.#host.mayAddConsumers;
  }

  get extraSlots(): number {
    return this.#consumers?.extraSlots ?? 0;
  }

  /** The messages that are not settled. */
  get held(): Iterable<HeldDelivery> {
    return this.#held;
  }

  /** How many messages are not settled. */
  get outstanding(): number {
    return this.#held.size;
  }

  /** How many of them have not begun, and go back with the channel at the latest. */
  get parked(): number {
    return this.#parked.length;
  }

  /** How many of them go back in the same way, and were worked on. */
  get returning(): number {
    return this.#returns.length;
  }

  /** What keeps other messages from coming; `undefined` while they come. */
  get heldUp(): HeldUp | undefined {
    let callbacks = 0;
    let overdueCallbacks = 0;
    for (const { callbackDeadline, open, isOverdue } of this.#held) {
      if (callbackDeadline === undefined || !open) continue;
      callbacks++;
      if (isOverdue) overdueCallbacks++;
    }
    const retries = this.#room.waiting;
    const isFull = retries + callbacks >= this.#room.slots;
    return isFull || overdueCallbacks > 0 ? { retries, callbacks, overdueCallbacks } : undefined;
  }

  /** Resolves when nothing is held any more. */
  whenEmpty(): Promise<void> {
    if (this.#held.size === 0) return Promise.resolve();
    this.#empty ??= Promise.withResolvers();
    return this.#empty.promise;
  }

  wanted(): WantedConsumers {
    const isOn = this.#isTaking;
    return { isOn, extraSlots: isOn ? this.#room.wantedSlots : 0 };
  }

  moved(): void {
    this.#sortParked();
  }

  addRefused(): void {
    this.#host.mayAddConsumers = false;
  }

  /**
   * Asks the broker for messages, or for none, as its consumer has it at the moment; those that are
   * held stay. If that fails, the channel is given up. Resolves when it is so, or cannot be.
   */
  async follow(): Promise<void> {
    if (this.#channel === undefined) return;
    this.#sortParked();
    await this.#consumers?.follow().catch((error: Error) => this.drop(error));
  }

  /** Deletes the temporary queue, and closes the channel after everything that was written on it. */
  async close(): Promise<void> {
    this.#isOver = true;
    this.#room.stop();
    this.#acks.flush();
    try {
      if (this.#queue !== undefined) await this.#channel?.deleteQueue(this.#queue.name);
    } finally {
      await this.#channel?.close();
    }
  }

  /** Gives up what is held: it can be settled no more, and the broker will deliver it again. */
  abandon(cause: Error): void {
    this.#parked = [];
    this.#returns = [];
    // A copy, as what is told of it may settle others.
    for (const held of [...this.#held]) held.lose(cause);
    // Before what is given up is forgotten: an acknowledgement of all up to it would take it along.
    this.#acks.flush();
    this.#held = new LinkedList();
    this.#noteIfEmpty();
  }

  settle(held: HeldDelivery, how: Settlement): boolean {
    const { retries, tally } = this.#host;
    if (how === "requeue" && this.#channel !== undefined && !this.#mayGiveBack) {
      // It stays held until it is written: an acknowledgement of all up to another would take it along.
      this.#returns.push(held);
      tally.settled++;
      return true;
    }
    this.#held.delete(held);
    if (how === "ack" || how === "reject") retries.forget(held.delivery);
    try {
      if (this.#channel === undefined) return false;
      if (how === "ack") this.#acks.add(held.delivery.tag);
      else this.#channel.settle(held.delivery.tag, how);
      if (how === "release") tally.released++;
      else tally.settled++;
      return true;
    } catch {
      if (how !== "release") tally.lost++;
      return false; // The channel is just closing: the broker will deliver the message again.
    } finally {
      this.#noteIfEmpty();
    }
  }

  /**
   * Gives a message back on which nobody has begun to work, as soon as the broker will not deliver it
   * here again: a queue may count how often it was.
   */
  giveBack(held: HeldDelivery): void {
    this.#parked.push(held);
    this.#sortParked();
  }

  retryDelay(delivery: Delivery): number {
    this.#host.retrying(delivery);
    return this.#host.draining ? 0 : this.#host.retries.nextDelay(delivery);
  }

  waits(change: 1 | -1): void {
    this.#room.waits(change);
    if (change === 1 && this.#room.wantedSlots > this.extraSlots) void this.follow();
  }

  listenerThrew(error: unknown): void {
    this.#host.listenerThrew(error);
  }

  rejected(held: HeldDelivery, reason: string): void {
    this.#host.rejected(held, reason);
  }

  shrink(): void {
    this.#consumers?.shrink();
    void this.follow();
  }

  async countReady(): Promise<number> {
    return (await this.#checkQueue())?.ready ?? 0;
  }

  /** Gives the channel up, so that a fresh one takes its place. */
  drop(cause: Error): void {
    if (this.#channel === undefined) return;
    this.#acks.flush();
    void this.#channel.close().catch(() => {}); // Whatever it answers, it is not used again.
    this.#lose(cause);
  }

  /** Whether messages are to be taken: judged whenever it matters, as it changes while others answer. */
  get #isTaking(): boolean {
    return !this.#isOver && this.#host.taking;
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
        if (this.#isOver) return; // It goes back with the channel.
        const held = new HeldDelivery(delivery, this);
        this.#held.add(held);
        if (this.#isChecked && this.#host.taking) this.#host.delivered(held);
        else this.#park(held);
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
      closed: (cause) => this.#lose(cause),
    };
  }

  #park(held: HeldDelivery): void {
    this.#parked.push(held);
    if (!this.#isChecked) {
      if (!looksLikeStream(held.delivery)) this.#isChecked = true;
      else if (this.#parked.length === 1) void this.#refuseStream();
    }
    this.#sortParked();
  }

  /**
   * Whether something may go back now. While none are taken it must not come back at once: a queue may
   * count how often a message was delivered, and dead-letter it.
   */
  get #mayGiveBack(): boolean {
    return this.#isTaking || this.#consumers?.isOpen === false;
  }

  /** Hands over what is parked, or gives it back. */
  #sortParked(): void {
    if (!this.#isChecked || !this.#mayGiveBack) return;
    for (const held of this.#returns.splice(0)) this.#return(held);
    const isTaking = this.#isTaking;
    for (const held of this.#parked.splice(0)) {
      if (isTaking) this.#host.delivered(held);
      else held.release();
    }
  }

  #return(held: HeldDelivery): void {
    this.#held.delete(held);
    try {
      this.#channel?.settle(held.delivery.tag, "requeue");
    } catch {
      // The channel is just closing: it goes back with that.
    }
    this.#noteIfEmpty();
  }

  /** The header that a stream adds may be a sender's: the broker is asked. */
  async #refuseStream(): Promise<void> {
    try {
      const counts = await this.#checkQueue();
      if (counts !== undefined && isStream(counts)) {
        const cause = streamRefused(this.#queueName);
        this.#isOver = true;
        this.abandon(cause);
        return this.#host.refused(cause);
      }
      this.#isChecked = true;
      this.#sortParked();
    } catch (error) {
      this.drop(error as Error);
    }
  }

  async #checkQueue(): Promise<QueueCounts | undefined> {
    const channel = this.#channel;
    if (channel === undefined) return undefined;
    return await this.#consumers?.request(() => channel.checkQueue(this.#queueName));
  }

  /** The channel is gone, or about to go. */
  #lose(cause: Error): void {
    this.#leave(cause);
    this.#closed(cause);
  }

  #leave(cause: Error): void {
    this.#channel = undefined;
    this.#acks.clear();
    this.#room.stop();
    this.#life.removeEventListener("abort", this.#endLife);
    const { tally } = this.#host;
    tally.released += this.#parked.length;
    tally.lost += this.#held.size - this.#parked.length - this.#returns.length;
    this.abandon(cause);
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
    this.#consumers = new ChannelConsumers(channel, this);
    await this.#consumers.follow();
  }

  /** The queue of before, if only the channel was lost; else a new one. */
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
