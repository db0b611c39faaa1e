import type { Activity } from "./activity.ts";
import { type Connection, coreOf } from "./connection.ts";
import type { ConnectionUser } from "./connection_core.ts";
import { drainDefault } from "./drain_default.ts";
import { useConnection } from "./use_connection.ts";
import { type ErrorDetail, TypedEventTarget } from "./events.ts";
import { type Health, startingHealth } from "./health.ts";
import { LapinmqError } from "./errors.ts";
import { Outbox } from "./outbox.ts";
import { type PublisherOptions, resolvePublisherOptions } from "./publisher_options.ts";
import type {
  FlushResult,
  PublisherStopOptions,
  PublisherStopResult,
} from "./publisher_results.ts";
import {
  badOptions,
  NO_CALLBACKS,
  type PreparedMessage,
  prepareMessage,
  prepareMessageToQueue,
  type SendCallbacks,
  sendCallbacks,
  type SendMessageOptions,
  type SendToQueueOptions,
} from "./send_options.ts";
import { knownOptions, milliseconds } from "./validate.ts";
import { Lifecycle } from "./lifecycle.ts";
import { lossMessage } from "./loss_message.ts";

/** The events of a `Publisher` and what their `detail` holds. */
export interface PublisherEventMap {
  /** The channel was lost, or could not be opened again; it will be tried again. */
  channellost: {
    /** Why. */
    readonly cause: Error;
    /** How many messages are unconfirmed: those that are not rejected for it are sent again. */
    readonly unconfirmed: number;
  };
  /** A callback or a listener threw. */
  error: ErrorDetail;
}

/** What a publisher is doing, for {@linkcode run} only. */
export let activityOfPublisher: (publisher: Publisher) => Activity;

/**
 * Sends messages, each persistent, `mandatory`, and confirmed by the broker
 * (https://www.rabbitmq.com/docs/confirms). The promise of a send tells the truth: it resolves when
 * the broker has taken responsibility for the message, and rejects otherwise.
 *
 * A failed send that nobody awaits or catches is an unhandled rejection, which ends the program: a
 * message is never lost in silence. To send many and look at the outcomes later, give the sends to
 * `Promise.allSettled` at once, or use callbacks.
 *
 * @example Send one message
 * ```ts no-eval no-assert
 * import { Publisher } from "@lapinmq/lapinmq";
 *
 * await using publisher = new Publisher({ kind: "sync" });
 * await publisher.start();
 * await publisher.sendMessageToQueue({ queueName: "task_queue", body: "hello" });
 * ```
 *
 * @example Send many, with back-pressure
 * ```ts no-eval no-assert
 * import { Publisher } from "@lapinmq/lapinmq";
 *
 * await using publisher = new Publisher({
 *   onSendFailure: (error) => console.error(error.message),
 * });
 * await publisher.start();
 * for (let i = 0; i < 100_000; i++) {
 *   await publisher.ready;
 *   publisher.sendMessageToQueue({ queueName: "task_queue", json: { i } });
 * }
 * const { confirmed, failed } = await publisher.flush();
 * console.log(confirmed, failed);
 * ```
 */
export class Publisher extends TypedEventTarget<PublisherEventMap> implements AsyncDisposable {
  #connection: Connection;
  #outbox: Outbox;
  #lifecycle = new Lifecycle<PublisherStopResult>();
  static {
    activityOfPublisher = (publisher) => publisher.#outbox.activity();
  }

  #user: ConnectionUser = { role: "publish", stop: (options) => this.stop(options) };
  #idPrefix = `${crypto.randomUUID()}.`;
  #lastId = 0;

  /**
   * Makes a publisher; {@linkcode Publisher.start} connects it.
   *
   * @param options Which connection and which guarantees.
   * @throws {ConfigurationError} If an option has a bad value.
   */
  constructor(options: PublisherOptions = {}) {
    const resolved = resolvePublisherOptions(options);
    const connection = useConnection(options.connection);
    const core = coreOf(connection);
    super(core.options.log);
    this.#connection = connection;
    this.#outbox = new Outbox(core.links.publish, core.options.reconnect, resolved, {
      run: (what, code) => this.isolated(what, code),
      channelLost: (cause, unconfirmed) =>
        this.emitProblem("channellost", { cause, unconfirmed }, lossMessage("publisher", cause)),
      gaveUp: (cause) => void this.#end(0, cause),
    });
  }

  /** The connection it uses. */
  get connection(): Connection {
    return this.#connection;
  }

  /**
   * Back-pressure, like that of a `WritableStream` writer: resolved while there is room for another
   * message, pending while there is none, rejected while the publisher is not started.
   */
  get ready(): Promise<void> {
    const notRunning = this.#notRunning();
    if (notRunning === undefined) return this.#outbox.ready;
    const ready = Promise.reject(new LapinmqError(notRunning, { code: "PUBLISHER_STOPPED" }));
    ready.catch(() => {}); // Looking at it must not end the program; awaiting it may.
    return ready;
  }

  /**
   * Connects. What may pass by itself, such as a broker that is still booting, is tried again until
   * the connection's `startTimeoutMs` is over. Does nothing if it is started already. The
   * program does not end by itself before the publisher has stopped.
   *
   * @throws {AuthenticationError} If the broker refuses the user, password or virtual host.
   * @throws {ConnectionError} If the broker cannot be reached.
   */
  async start(): Promise<void> {
    const core = coreOf(this.#connection);
    await this.#lifecycle.start(async () => {
      core.addUser(this.#user);
      try {
        await this.#outbox.start(core.options.startTimeoutMs);
      } catch (cause) {
        if (this.#lifecycle.state.kind === "starting") {
          core.removeUser(this.#user);
          this.#outbox.abandon("the publisher could not be started", false, cause as Error);
        }
        throw cause;
      }
    });
  }

  /**
   * Sends a message to an exchange.
   *
   * @example Send to an exchange, with headers
   * ```ts no-assert
   * import type { Publisher } from "@lapinmq/lapinmq";
   *
   * async function paint(publisher: Publisher): Promise<void> {
   *   await publisher.sendMessage({
   *     exchange: "color",
   *     routingKey: "black",
   *     json: { width: 3 },
   *     headers: { retries: 0 },
   *   });
   * }
   * ```
   *
   * @param options The destination, the body and the properties.
   * @returns A promise that resolves when the broker has confirmed the message. It rejects with a
   * `ConfigurationError` if an option has a bad value (nothing is sent), with an `UnroutableError`
   * if no queue receives it, with a `NackedError` if the broker refuses it, with a
   * `ConfirmTimeoutError` if its outcome is unknown after `sendTimeoutMs`, with a
   * `PublisherOverflowError` if too much is waiting, with a `SendAbortedError` if its `signal` aborts
   * before it is written, with a `PublisherStoppedError` if the publisher
   * is not running, and with a `PublishError` whose `cause` is the broker's answer if it closes the
   * channel because of this message, for instance an `ExchangeNotFoundError`.
   */
  sendMessage(options: SendMessageOptions): Promise<void> {
    return this.#send(prepareMessage, options);
  }

  /**
   * Sends a message to a queue, through the default exchange.
   *
   * @example Send with callbacks
   * ```ts no-assert
   * import type { Message, Publisher } from "@lapinmq/lapinmq";
   *
   * function passOn(publisher: Publisher, message: Message): void {
   *   publisher.sendMessageToQueue({
   *     queueName: "next",
   *     body: message.body,
   *     callbacks: { ackCallback: message.ack, nackCallback: message.rejectRetry },
   *   });
   * }
   * ```
   *
   * @param options The queue, the body and the properties.
   * @returns As {@linkcode Publisher.sendMessage}.
   */
  sendMessageToQueue(options: SendToQueueOptions): Promise<void> {
    return this.#send(prepareMessageToQueue, options);
  }

  // Not an `async` function: the promise that is returned is the very one that is rejected, so that
  // whether the program handles it is for the program alone to say.
  #send<Options>(
    prepare: (options: Options, newId: () => string) => PreparedMessage,
    options: Options,
  ): Promise<void> {
    let callbacks: SendCallbacks = NO_CALLBACKS;
    try {
      callbacks = sendCallbacks(options);
      const message = prepare(options, this.#newId);
      return this.#outbox.send(message, callbacks, this.#notRunning());
    } catch (error) {
      return this.#outbox.refuse(badOptions(error), callbacks);
    }
  }

  #newId = (): string => this.#idPrefix + ++this.#lastId;

  /** Why nothing can be sent at the moment, if so. */
  #notRunning(): string | undefined {
    const { state } = this.#lifecycle;
    switch (state.kind) {
      case "idle":
        return state.stopped
          ? "the publisher was stopped: call start() again before sending"
          : "the publisher is not started: call start() before sending";
      case "stopping":
        return "the publisher is being stopped: send before stop(), or start() it again";
      case "starting":
      case "running":
        return undefined;
    }
  }

  /**
   * Waits until the outcome of every message sent so far is known. Never rejects: what failed is
   * counted, and its own promise or callback tells why.
   *
   * @returns How many of the messages sent since `start()` were confirmed, and how many failed.
   */
  async flush(): Promise<FlushResult> {
    return await this.#outbox.flush();
  }

  /**
   * Waits for outstanding confirms, up to the deadline, and closes the channel. May be called at any
   * time and many times. A send that has to be given up rejects with a `PublisherStoppedError` that
   * counts as handled, and is part of the result.
   *
   * @param options The deadline.
   * @returns What was not confirmed in time.
   * @throws {ConfigurationError} If an option has a bad value.
   */
  async stop(options: PublisherStopOptions = {}): Promise<PublisherStopResult> {
    knownOptions("stop options", options, ["timeoutMs"]);
    const timeoutMs = milliseconds("timeoutMs", options.timeoutMs, 0, drainDefault(10_000));
    return await this.#end(timeoutMs);
  }

  /** @param cause Why, if nobody asked for it: then what is given up is rejected unhandled. */
  async #end(timeoutMs: number, cause?: Error): Promise<PublisherStopResult> {
    const end = async () => {
      const result = await this.#outbox.stop(timeoutMs, cause);
      coreOf(this.#connection).removeUser(this.#user);
      return result;
    };
    return await this.#lifecycle.stop(end, { unsent: [], unknown: [] }, cause);
  }

  /**
   * Resolves when the publisher has stopped: with `undefined` if that was asked for, with the
   * cause if it gave up (`giveUpAfterMs`). Never rejects. Before the start it is pending.
   */
  get closed(): Promise<Error | undefined> {
    return this.#lifecycle.closed;
  }

  /** The same as {@linkcode Publisher.stop}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /**
   * How the publisher is doing.
   *
   * @returns The verdict.
   */
  health(): Health {
    const { kind, since } = this.#lifecycle.state;
    if (kind === "running") return this.#outbox.health();
    return kind === "starting"
      ? startingHealth(this.#outbox.health(), since)
      : { status: "down", reason: this.#notRunning(), since };
  }
}
