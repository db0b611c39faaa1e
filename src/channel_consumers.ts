import type { DriverChannel } from "./amqp/driver.ts";
import { ChannelError, QueueNotFoundError } from "./errors.ts";

/** What a channel is to have at the broker at the moment. */
export interface WantedConsumers {
  /** Whether messages are to come at all. */
  readonly isOn: boolean;
  /** How many slots there should be beside those of the first consumer. */
  readonly extraSlots: number;
}

/** Whom the consumers of a channel belong to. */
export interface ConsumersOwner {
  readonly queueName: string;
  /** The slots of the first consumer. */
  readonly prefetch: number;
  /** Asked again before each request: what holds now may not hold when the broker has answered. */
  wanted(): WantedConsumers;
  /** A request was written or answered. */
  moved(): void;
  /** The broker refused a consumer beside the first. */
  addRefused(): void;
}

/** One consumer at the broker. */
interface ConsumerAtBroker {
  readonly tag: string;
  readonly slots: number;
  state: "starting" | "consuming" | "cancelling";
}

/** How many slots may be added. */
export const MOST_EXTRA_SLOTS = 1_000;

/**
 * The consumers that one channel has at the broker: a first one, and others for more messages than
 * that may hold. What there is follows what is wanted, one request at a time.
 *
 * A consumer is never used again after its cancel, and the first is never cancelled for the sake of
 * its slots: a quorum queue delivers nothing more to a tag that comes back, and a queue with a single
 * active consumer would go to another program.
 */
export class ChannelConsumers {
  #channel: DriverChannel;
  #owner: ConsumersOwner;
  /** In the order in which they were made. */
  #consumers: ConsumerAtBroker[] = [];
  #requests: (() => Promise<unknown>)[] = [];
  /** What consumers that are made from now on may hold. */
  #slots: number;
  #following: Promise<void> | undefined;
  #isSurplus = false;

  /** @param channel One that was told the prefetch of the first consumer, and nothing else of consumers. */
  constructor(channel: DriverChannel, owner: ConsumersOwner) {
    this.#channel = channel;
    this.#owner = owner;
    this.#slots = owner.prefetch;
  }

  /** How many slots were added. */
  get extraSlots(): number {
    return this.#consumers.slice(1).reduce((sum, { slots }) => sum + slots, 0);
  }

  /** Whether the broker may deliver again, here, what is given back on this channel. */
  get isOpen(): boolean {
    return this.#consumers.some(({ state }) => state !== "cancelling");
  }

  /** Lets the broker be told what is wanted. Resolves when that is so, and rejects if it cannot be. */
  follow(): Promise<void> {
    if (this.#following !== undefined) return this.#following;
    const done = Promise.withResolvers<void>();
    // Before it begins: a task that it lets run may ask for more.
    this.#following = done.promise;
    done.resolve(this.#follow());
    return done.promise;
  }

  /** Makes a request of another kind in its turn. */
  async request<T>(make: () => Promise<T>): Promise<T> {
    const answer = Promise.withResolvers<T>();
    this.#requests.push(async () => {
      try {
        answer.resolve(await make());
      } catch (error) {
        answer.reject(error);
      }
    });
    const [result] = await Promise.all([answer.promise, this.follow()]);
    return result;
  }

  /** Gives up the consumer that was added last, if the others have room for far more than is wanted. */
  shrink(): void {
    const last = this.#consumers.at(-1);
    if (this.#consumers.length < 2 || last?.state !== "consuming") return;
    const { isOn, extraSlots } = this.#owner.wanted();
    this.#isSurplus = isOn && this.extraSlots - last.slots >= 2 * extraSlots;
  }

  async #follow(): Promise<void> {
    try {
      for (let step; (step = this.#next()) !== undefined;) {
        this.#owner.moved();
        await step;
        this.#owner.moved();
      }
    } finally {
      this.#following = undefined;
    }
  }

  /** Makes the next request; nothing if all is as wanted. */
  #next(): Promise<unknown> | undefined {
    const request = this.#requests.shift();
    if (request !== undefined) return request();
    const { isOn, extraSlots } = this.#owner.wanted();
    // The first goes last: were it to go before them, a single active consumer would go to another.
    if (!isOn) return this.#cancelLast();
    if (this.#consumers.length === 0) return this.#consume(this.#owner.prefetch);
    const added = this.extraSlots;
    if (extraSlots > added && added < MOST_EXTRA_SLOTS) {
      this.#isSurplus = false;
      const more = Math.max(extraSlots - added, added);
      return this.#consume(Math.min(more, MOST_EXTRA_SLOTS - added));
    }
    if (!this.#isSurplus) return undefined;
    this.#isSurplus = false;
    return this.#cancelLast();
  }

  #consume(slots: number): Promise<void> {
    if (this.#slots !== slots) {
      this.#slots = slots;
      return this.#channel.prefetch(slots);
    }
    // Chosen here, as deliveries may arrive before the broker's answer does.
    const tag = `lapinmq-${crypto.randomUUID()}`;
    const consumer: ConsumerAtBroker = { tag, slots, state: "starting" };
    this.#consumers.push(consumer);
    return this.#channel.consume(this.#owner.queueName, tag).then(
      () => void (consumer.state = "consuming"),
      (error) => {
        const isAnswer = error instanceof ChannelError && !(error instanceof QueueNotFoundError);
        if (isAnswer && this.#consumers.length > 1) this.#owner.addRefused();
        throw error;
      },
    );
  }

  #cancelLast(): Promise<void> | undefined {
    const last = this.#consumers.at(-1);
    if (last === undefined) return undefined;
    last.state = "cancelling";
    return this.#channel.cancel(last.tag).then(() => {
      this.#consumers.pop();
    });
  }
}
