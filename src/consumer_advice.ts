import type { ResolvedConsumerOptions } from "./consumer_options.ts";
import type { Logger } from "./log.ts";
import type { MessageFacts } from "./message_facts.ts";

/** From here on a message nears the delivery limit of quorum queues, 20 by default on RabbitMQ 4. */
const MANY_DELIVERIES = 15;

/** What a consumer says to its user about settings that will not do. */
export class ConsumerAdvice {
  #options: ResolvedConsumerOptions;
  #log: Logger;
  #saidPrefetch = false;

  constructor(options: ResolvedConsumerOptions, log: Logger) {
    this.#options = options;
    this.#log = log;
  }

  /** A message failed and will be retried; the broker has delivered it so often before. */
  onRetry(deliveryCount: number | undefined, facts: MessageFacts): void {
    if (deliveryCount === undefined || deliveryCount < MANY_DELIVERIES) return;
    this.#log.warn(
      `a message of queue "${facts.queueName}" has failed ${
        deliveryCount + 1
      } times: a quorum queue ` +
        `drops it, or dead-letters it, at its delivery limit (20 by default)`,
      facts,
    );
  }

  /** A message waits for a callback, and its worker is free. */
  onCallback(queueName: string): void {
    if (this.#saidPrefetch || this.#options.prefetchGiven) return;
    this.#saidPrefetch = true;
    this.#log.warn(
      `messages of queue "${queueName}" wait for callbacks while "prefetch" is ` +
        `${this.#options.prefetch}, as many as "workers": give more, such as 100, so that others ` +
        `can be worked on meanwhile`,
    );
  }
}
