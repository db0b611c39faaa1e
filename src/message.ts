import type { Delivery, FieldTable, MessageProperties } from "./amqp/driver.ts";
import { ownBody } from "./body_store.ts";
import { MessageDecodeError } from "./errors.ts";
import { printable, printableInspected, shownError } from "./printable.ts";
import { deliveryCount } from "./retry_policy.ts";

/** How a message settles itself; each tells whether it was the first to do so, and in time. */
export interface MessageSettlement {
  /** Acknowledges it. */
  ack(): boolean;
  /** Rejects it without requeue. */
  reject(): boolean;
  /** Rejects it with requeue, after the retry delay. */
  rejectRetry(): boolean;
  /** Aborts when there is no point in working on it any longer. */
  readonly signal: AbortSignal;
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** What is shown of a message when somebody prints it. */
const SHOWN = [
  "exchange",
  "routingKey",
  "redelivered",
  "deliveryCount",
  "properties",
  "headers",
  "body",
] as const;

type Inspect = (value: unknown, options: object) => string;

function shown(message: Message): Record<string, unknown> {
  return Object.fromEntries(SHOWN.map((name) => {
    try {
      return [name, message[name]];
    } catch (error) {
      return [name, error]; // It cannot be decoded.
    }
  }));
}

/**
 * A message as a task receives it.
 *
 * It is settled once, on the channel that delivered it: by the status that the task returns, or by
 * `ack`, `reject` or `rejectRetry`. The first settlement wins; a later one, or one that comes after
 * the channel was lost, sends nothing and returns `false`. `true` means that it was handed to the
 * channel, not that the broker has received it.
 *
 * What it holds is read when it is asked for: a copy by `{ ...message }` or `structuredClone` would
 * be empty, so copy the fields that you need.
 *
 * @example Read the body
 * ```ts no-assert
 * import { type Message, MessageStatus } from "@lapinmq/lapinmq";
 *
 * function task(message: Message): MessageStatus {
 *   const { width } = message.json<{ width: number }>();
 *   console.log(message.routingKey, width, message.headers.retries);
 *   return MessageStatus.SUCCESS;
 * }
 * ```
 */
export class Message {
  #delivery: Delivery;
  #settlement: MessageSettlement;
  #body: Uint8Array<ArrayBuffer> | undefined;
  #ack: (() => boolean) | undefined;
  #reject: (() => boolean) | undefined;
  #rejectRetry: (() => boolean) | undefined;

  static {
    // Without it `console.log` would show nothing: all is behind getters.
    Object.defineProperty(this.prototype, Symbol.for("nodejs.util.inspect.custom"), {
      value(this: Message, _depth: number, options: object, inspect: Inspect): string {
        return `Message ${printableInspected(inspect(shown(this), options))}`;
      },
    });
  }

  /**
   * Made by a consumer; of use elsewhere only in tests of tasks.
   *
   * @param delivery What the broker delivered.
   * @param settlement How the message is settled.
   */
  constructor(delivery: Delivery, settlement: MessageSettlement) {
    this.#delivery = delivery;
    this.#settlement = settlement;
  }

  /** The body. It shares its memory with nothing else. */
  get body(): Uint8Array<ArrayBuffer> {
    return this.#body ??= ownBody(this.#delivery.body);
  }

  /**
   * The properties, headers apart; they can be given to a send as they are. In a text whose bytes are
   * not UTF-8, such as an id of random bytes, each of those bytes is a half character (U+DC80 to
   * U+DCFF): it stays what it is when it is compared, or sent.
   *
   * @throws {MessageDecodeError} If they cannot be decoded.
   */
  get properties(): MessageProperties {
    return this.#delivery.properties;
  }

  /**
   * The headers, which can be given to a send as they are. Timestamps are `Date`s, byte arrays and
   * texts that are not UTF-8 `Uint8Array`s, and integers of more than 53 bits `bigint`s.
   *
   * @throws {MessageDecodeError} If they cannot be decoded, for instance as they are nested thousands
   * deep. Uncaught in a task, it rejects the message without requeue, as it would fail for ever.
   */
  get headers(): FieldTable {
    return this.#delivery.headers;
  }

  /** The exchange it was sent to; `""` is the default exchange. */
  get exchange(): string {
    return this.#delivery.exchange;
  }

  /** The routing key it was sent with. */
  get routingKey(): string {
    return this.#delivery.routingKey;
  }

  /** Whether the broker may have delivered it before. */
  get redelivered(): boolean {
    return this.#delivery.redelivered;
  }

  /** How often the broker has delivered it before, if it counts that (quorum queues). */
  get deliveryCount(): number | undefined {
    return deliveryCount(this.#delivery);
  }

  // A callback may be handed arguments, such as an error: none of them reaches the settlement.

  /**
   * Acknowledges the message. Takes no arguments and may be detached, as a callback.
   *
   * @returns Whether this settled the message.
   */
  get ack(): () => boolean {
    return this.#ack ??= () => this.#settlement.ack();
  }

  /**
   * Rejects the message without requeue: dead-lettered if the queue says so, else deleted. Takes
   * no arguments and may be detached, as a callback.
   *
   * @returns Whether this settled the message.
   */
  get reject(): () => boolean {
    return this.#reject ??= () => this.#settlement.reject();
  }

  /**
   * Rejects the message with requeue, after the retry delay of the consumer. Takes no arguments and
   * may be detached, as a callback.
   *
   * @returns Whether this settled the message.
   */
  get rejectRetry(): () => boolean {
    return this.#rejectRetry ??= () => this.#settlement.rejectRetry();
  }

  /**
   * Aborts when there is no point in working on the message any longer: its channel was lost, so
   * that it will be delivered again; its task took too long; or the consumer's drain is over.
   */
  get signal(): AbortSignal {
    return this.#settlement.signal;
  }

  /**
   * The body as text.
   *
   * @returns The body, read as UTF-8.
   * @throws {MessageDecodeError} If the body is not UTF-8. Uncaught in a task, it rejects the message
   * without requeue, as it would fail for ever.
   */
  text(): string {
    try {
      return decoder.decode(this.#body ?? this.#delivery.body);
    } catch (cause) {
      throw new MessageDecodeError(
        `Cannot read the body of this message as text: it is not UTF-8: use "message.body", or ` +
          `fix the sender`,
        { cause },
      );
    }
  }

  /**
   * The body as a JSON value.
   *
   * @typeParam T What the value is expected to be; it is not checked.
   * @returns The value.
   * @throws {MessageDecodeError} If the body is not JSON. Uncaught in a task, it rejects the message
   * without requeue, as it would fail for ever.
   */
  json<T = unknown>(): T {
    const text = this.text();
    try {
      return JSON.parse(text) as T;
    } catch (cause) {
      throw new MessageDecodeError(
        `Cannot read the body of this message as JSON: ${
          printable((cause as Error).message)
        }: use ` +
          `"message.text()", or fix the sender`,
        { cause: shownError(cause) },
      );
    }
  }
}
