import type { Delivery, DriverConnection } from "./amqp/driver.ts";
import type { Activity } from "./activity.ts";
import { CallbackWatch } from "./callback_watch.ts";
import { ChannelSession, LEAST_CLOSE_MS } from "./channel_session.ts";
import { type Connection, coreOf } from "./connection.ts";
import type { ConnectionUser } from "./connection_core.ts";
import { ConsumerAdvice } from "./consumer_advice.ts";
import type { ConsumerEventMap } from "./consumer_events.ts";
import { type ConsumerOptions, resolveConsumerOptions } from "./consumer_options.ts";
import type { ConsumerStopOptions, ConsumerStopResult } from "./consumer_results.ts";
import { Deadline } from "./deadline.ts";
import { drainDefault } from "./drain_default.ts";
import { drainTimes, LEAST_END_MS } from "./drain_times.ts";
import { LapinmqError, QueueNotFoundError } from "./errors.ts";
import { TypedEventTarget } from "./events.ts";
import { type Health, sessionHealth, startingHealth } from "./health.ts";
import type { HeldDelivery } from "./held_delivery.ts";
import type { MessageFacts } from "./message_facts.ts";
import { type Outcome, reasonOf } from "./message_status.ts";
import { Subscription, type SubscriptionHost, type TemporaryQueue } from "./subscription.ts";
import { Lifecycle } from "./lifecycle.ts";
import type { LoopWatch } from "./loop_watch.ts";
import { lossMessage } from "./loss_message.ts";
import { messageIdOf, RetryPolicy } from "./retry_policy.ts";
import { TaskModuleRunner } from "./task_module_runner.ts";
import { type Runner, TaskRunner } from "./task_runner.ts";
import { useConnection } from "./use_connection.ts";
import { Room } from "./room.ts";
import { knownOptions, milliseconds } from "./validate.ts";
import { WorkerPool } from "./worker_pool.ts";

/** What a consumer is doing, for {@linkcode run} only. */
export let activityOfConsumer: (consumer: Consumer) => Activity;

/**
 * Receives messages and works on several of them in parallel. A message is acknowledged after its
 * task has said so, never before: what the program does not finish is delivered again.
 *
 * @example Work on three messages at a time, until Ctrl-C
 * ```ts no-eval no-assert
 * import { Consumer, MessageStatus, waitForShutdown } from "@lapinmq/lapinmq";
 *
 * await using consumer = new Consumer({
 *   queueName: "task_queue",
 *   workers: 3,
 *   taskFunction: async (message) => {
 *     await Deno.writeTextFile("tasks.txt", message.text() + "\n", { append: true });
 *     return MessageStatus.SUCCESS;
 *   },
 * });
 * await consumer.start();
 * await waitForShutdown();
 * ```
 *
 * @example Every message of a fanout exchange, through a temporary queue
 * ```ts no-assert
 * import { Consumer, MessageStatus } from "@lapinmq/lapinmq";
 *
 * const consumer = new Consumer({
 *   queueName: "",
 *   exchange: "logs",
 *   taskFunction: (message) => {
 *     console.log(message.text());
 *     return MessageStatus.SUCCESS;
 *   },
 * });
 * ```
 */
export class Consumer extends TypedEventTarget<ConsumerEventMap> implements AsyncDisposable {
  #connection: Connection;
  #host: SubscriptionHost;
  #session: ChannelSession<Subscription>;
  #loop: LoopWatch;
  #advice: ConsumerAdvice;
  #runner: Runner;
  /** The same, if the tasks run in threads or processes. */
  #isolated: TaskModuleRunner | undefined;
  #pool: WorkerPool<HeldDelivery>;
  #lifecycle = new Lifecycle<ConsumerStopResult>();
  /** The newest subscription, although it may be lost by now. */
  #subscription: Subscription | undefined;
  #temporaryQueue: TemporaryQueue | undefined;
  #subscribed = new Room(() => this.#session.channel !== undefined);
  #callbacks: CallbackWatch;
  /** The last stretch of the event loop in which a task ran, as the watch numbers them. */
  #workedIn = -1;
  #unwatch: () => void = () => {};
  static {
    activityOfConsumer = (consumer) => consumer.#activity();
  }

  #user: ConnectionUser = { role: "consume", stop: (options) => this.stop(options) };

  /**
   * Makes a consumer; {@linkcode Consumer.start} connects it.
   *
   * @param options The queue, the task and how many of them run in parallel.
   * @throws {ConfigurationError} If an option has a bad value, or two of them contradict each other.
   */
  constructor(options: ConsumerOptions) {
    const resolved = resolveConsumerOptions(options);
    const connection = useConnection(options.connection);
    const core = coreOf(connection);
    super(core.options.log);
    this.#connection = connection;
    this.#loop = core.loop;
    this.#advice = new ConsumerAdvice(resolved, core.options.log);
    const observer = {
      stuckOrNot: () => this.#pauseOrResume(),
      failed: (held: HeldDelivery, error: Error, outcome: "retry" | "reject") =>
        this.#failed(held, error, outcome),
      replaced: (why: Error) =>
        core.options.log.warn(
          `a thread or process of the tasks of queue "${this.#lastQueueName}" has to be replaced`,
          why,
        ),
    };
    const { task } = resolved;
    if (task.kind === "function") {
      this.#runner = new TaskRunner(task.taskFunction, resolved, observer);
    } else {
      this.#runner = this.#isolated = new TaskModuleRunner(task, resolved, observer);
    }
    this.#pool = new WorkerPool(resolved.workers, (held) => this.#work(held));
    this.#callbacks = new CallbackWatch(resolved, () => this.#subscription?.held ?? [], (
      held,
      failure,
    ) => {
      observer.failed(held, failure, "retry");
      held.rejectRetry();
    });
    const draining = () => this.#lifecycle.state.kind === "stopping";
    const taking = () => {
      const { kind } = this.#lifecycle.state;
      return (kind === "running" || kind === "starting") && !this.#runner.stuck;
    };
    this.#host = {
      options: resolved,
      retries: new RetryPolicy(resolved.retryDelayMs),
      tally: { settled: 0, released: 0, lost: 0 },
      mayAddConsumers: true,
      get taking() {
        return taking();
      },
      get draining() {
        return draining();
      },
      delivered: (held) => this.#pool.submit(held),
      retrying: (delivery) =>
        this.#advice.onRetry(this.#host.retries.countOfBroker(delivery), this.#facts(delivery)),
      listenerThrew: (error) => {
        const message = `a listener of "message.signal" threw`;
        this.emitProblem("error", { message, error }, message, error);
      },
      rejected: (held, reason) => this.#rejected(held, reason),
      refused: (cause) => {
        core.options.log.error(cause.message);
        this.#giveUp(cause);
      },
    };
    this.#session = new ChannelSession(core.links.consume, core.options.reconnect, {
      open: (link, closed, life) => this.#open(link, closed, life),
      // What is wanted may have changed while the last step of its set-up was answered.
      opened: (subscription) => {
        void subscription.follow();
        this.#subscribed.update();
        this.emit("subscribed", { queueName: subscription.queueName });
      },
      lost: (_subscription, cause) => {
        this.#lost(cause);
        return false;
      },
      failed: (cause) => this.#lost(cause),
      giveUpAfterMs: resolved.giveUpAfterMs,
      gaveUp: (cause) => this.#giveUp(cause),
    });
  }

  /** The connection it uses. */
  get connection(): Connection {
    return this.#connection;
  }

  /**
   * The queue it consumes from. That of a temporary queue is known once `start()` has resolved, and
   * changes when the connection is lost and opened again: in between it is `""`. Await
   * {@linkcode Consumer.ready}, or listen to the event `subscribed`, for its name.
   */
  get queueName(): string {
    return this.#host.options.queueName || (this.#session.channel?.queueName ?? "");
  }

  /** The queue for what is told of it, although a temporary one may be gone by now. */
  get #lastQueueName(): string {
    return this.#subscription?.queueName ?? this.#host.options.queueName;
  }

  /**
   * Resolved while it consumes from its queue, pending while it starts or recovers, rejected while it is
   * not started.
   */
  get ready(): Promise<void> {
    const { kind } = this.#lifecycle.state;
    if (kind === "running" || kind === "starting") return this.#subscribed.ready;
    const ready = Promise.reject(notRunning());
    ready.catch(() => {}); // Looking at it must not end the program; awaiting it may.
    return ready;
  }

  /**
   * Connects, binds the queue if that was asked for, and asks the broker for messages. Resolves
   * when the broker has registered the consumer; a `taskModule` is loaded before that. What may pass
   * by itself, such as a broker that is still booting, is tried again until the connection's
   * `startTimeoutMs` is over. Does nothing if it is started already. The program does not end by
   * itself before the consumer has stopped.
   *
   * @throws {ConfigurationError} If the threads or processes of a `taskModule` cannot be started, or
   * cannot load it; `cause` is what it threw.
   * @throws {AuthenticationError} If the broker refuses the user, password or virtual host.
   * @throws {ConnectionError} If the broker cannot be reached.
   * @throws {QueueNotFoundError} If the queue does not exist.
   * @throws {ExchangeNotFoundError} If the exchange does not exist.
   * @throws {AccessRefusedError} If the user may not do this, or another has the queue exclusively.
   */
  async start(): Promise<void> {
    const core = coreOf(this.#connection);
    await this.#lifecycle.start(async () => {
      core.addUser(this.#user);
      this.#host.mayAddConsumers = true;
      try {
        await this.#isolated?.start(core.options.startTimeoutMs);
        if (this.#isolated === undefined) {
          this.#unwatch = this.#loop.observe((blockedMs) => this.#loopBlocked(blockedMs));
        }
        await this.#session.start(
          core.options.startTimeoutMs,
          `consumer of queue "${this.#host.options.queueName}"`,
        );
      } catch (error) {
        this.#subscribed.close(error as Error);
        this.#unwatch();
        await this.#isolated?.end();
        if (this.#lifecycle.state.kind === "starting") core.removeUser(this.#user);
        throw error;
      }
    });
  }

  /**
   * Drains: asks the broker for no further messages, gives back what has not begun, and waits for
   * what is being worked on and for what was handed to callbacks. Before the deadline, by a quarter
   * of the time but a second at most, it aborts the signals of what is not done by then: a task that
   * ends because of that gives its message back, which does not count as a failure of the message.
   * Then it closes the channel, and the broker takes back the rest. May be called at any time and
   * many times. A task must not await it: it waits for that task.
   *
   * @param options The deadline.
   * @returns What became of the messages it held.
   * @throws {ConfigurationError} If an option has a bad value.
   */
  async stop(options: ConsumerStopOptions = {}): Promise<ConsumerStopResult> {
    knownOptions("stop options", options, ["timeoutMs"]);
    const timeoutMs = milliseconds("timeoutMs", options.timeoutMs, 0, drainDefault(25_000));
    return await this.#end(timeoutMs);
  }

  /** @param cause Why, if nobody asked for it. */
  async #end(timeoutMs: number, cause?: Error): Promise<ConsumerStopResult> {
    const nothing = { completed: 0, released: 0, abandoned: 0 };
    this.#subscribed.close(notRunning(cause));
    return await this.#lifecycle.stop(() => this.#drain(timeoutMs), nothing, cause);
  }

  /**
   * Resolves when the consumer has stopped: with `undefined` if that was asked for, with the
   * cause if it gave up (`giveUpAfterMs`). Never rejects. Before the start it is pending.
   */
  get closed(): Promise<Error | undefined> {
    return this.#lifecycle.closed;
  }

  /** The same as {@linkcode Consumer.stop}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /**
   * How the consumer is doing.
   *
   * @returns The verdict.
   */
  health(): Health {
    const { state } = this.#lifecycle;
    switch (state.kind) {
      case "running": {
        const verdict = this.#runner.stuck ?? this.#isolated?.recovering ??
          this.#connectionHealth();
        const heldUp = this.#session.channel?.heldUp;
        return heldUp === undefined ? verdict : { ...verdict, heldUp };
      }
      case "starting":
        return startingHealth(this.#connectionHealth(), state.since);
      case "stopping":
        return { status: "down", reason: "stopping", since: state.since };
      case "idle": {
        if (!state.stopped) return { status: "down", reason: "not started", since: state.since };
        const reason = state.cause === undefined ? "stopped" : `stopped: ${state.cause.message}`;
        return { status: "down", reason, since: state.since };
      }
    }
  }

  /** While it cannot receive, nobody knows whether there is anything to do. */
  #activity(): Activity {
    const subscription = this.#session.channel;
    const { settled, released, lost } = this.#host.tally;
    const isStopped = this.#lifecycle.state.kind === "idle";
    const holdsNothing = subscription?.outstanding === 0 && this.#pool.running === 0;
    return {
      quiet: isStopped || holdsNothing && this.health().status === "up",
      source: subscription,
      count: settled + released + lost,
    };
  }

  #connectionHealth(): Health {
    return sessionHealth(this.#session, coreOf(this.#connection).links.consume, false);
  }

  async #open(
    connection: DriverConnection,
    closed: (cause: Error) => void,
    life: AbortSignal,
  ): Promise<Subscription> {
    let subscription: Subscription;
    try {
      subscription = await Subscription.open(
        this.#host,
        connection,
        this.#temporaryQueue,
        closed,
        life,
      );
    } catch (error) {
      // A temporary queue that is gone is made again at the next attempt.
      if (error instanceof QueueNotFoundError && !life.aborted) this.#temporaryQueue = undefined;
      throw error;
    }
    // After a stop and a start another may be in use by now.
    if (life.aborted) return subscription;
    this.#subscription = subscription;
    this.#temporaryQueue = subscription.temporaryQueue;
    return subscription;
  }

  /** Stops for good, as nothing is left to try. */
  #giveUp(cause: Error): void {
    this.emit("gaveup", { cause });
    void this.#end(0, cause);
  }

  #lost(cause: Error): void {
    this.#pool.withdraw(); // They are lost: the broker delivers them again.
    this.emitProblem(
      "channellost",
      { cause },
      lossMessage(`consumer of queue "${this.#lastQueueName}"`, cause),
    );
  }

  #work(held: HeldDelivery): Promise<void> | void {
    if (!held.open) return;
    this.#workedIn = this.#loop.gap;
    const outcome = this.#runner.run(held);
    if (!(outcome instanceof Promise)) return this.#settle(held, outcome);
    return outcome.then((outcome) => {
      this.#workedIn = this.#loop.gap;
      this.#settle(held, outcome);
    });
  }

  #settle(held: HeldDelivery, outcome: Outcome): void {
    switch (outcome.kind) {
      case "ack":
        held.ack();
        break;
      case "reject":
        held.reject(reasonOf(outcome));
        break;
      case "retry":
        held.rejectRetry();
        break;
      case "callback":
        if (held.open) this.#awaitCallback(held);
        break;
      case "release":
        held.giveBack();
    }
  }

  #awaitCallback(held: HeldDelivery): void {
    this.#callbacks.begin(held);
    this.#advice.onCallback(this.#lastQueueName);
  }

  /** What a log line or an event says of a message. */
  #facts(delivery: Delivery): MessageFacts {
    return {
      messageId: messageIdOf(delivery),
      queueName: this.#lastQueueName,
      routingKey: delivery.routingKey,
      attempt: this.#host.retries.attempt(delivery),
    };
  }

  #failed({ delivery, message }: HeldDelivery, error: Error, outcome: "retry" | "reject"): void {
    const facts = this.#facts(delivery);
    const { retries, draining } = this.#host;
    const delayMs = outcome === "reject" || draining ? undefined : retries.delay(delivery);
    this.emitProblem(
      "taskfailed",
      { ...facts, message, error, outcome, delayMs },
      // What is rejected is told of with all that is known of it, when it has been.
      outcome === "retry" ? "a task failed; its message will be retried" : undefined,
      { ...facts, delayMs, error },
    );
  }

  /** Whatever may be gone for good is told of, each message by itself. */
  #rejected({ delivery }: HeldDelivery, reason: string): void {
    const settled = { ...this.#facts(delivery), outcome: "reject", reason } as const;
    coreOf(this.#connection).options.log.warn(
      `a message was rejected: it is dead-lettered if its queue says so, else deleted`,
      settled,
    );
    this.emit("settled", settled);
  }

  #loopBlocked(blockedMs: number): void {
    if (this.#pool.running === 0 && this.#workedIn !== this.#loop.gap) return;
    const queueName = this.#lastQueueName;
    this.emitProblem(
      "loopblocked",
      { blockedMs, queueName },
      `the event loop stood still for ${blockedMs} ms while tasks of queue "${queueName}" ran: no ` +
        `heartbeat can be sent meanwhile, and without them the broker closes the connection: await ` +
        `something now and then in tasks that compute, or give such a task as "taskModule"`,
    );
  }

  /** Gives back what has not begun. */
  #releaseWaiting(): void {
    for (const held of this.#pool.withdraw()) held.giveBack();
    this.#isolated?.releaseWaiting();
  }

  /** While too many tasks overrun their time, the broker is asked for no more messages. */
  #pauseOrResume(): void {
    if (this.#lifecycle.state.kind !== "running") return;
    const { log } = coreOf(this.#connection).options;
    const { stuck } = this.#runner;
    if (stuck !== undefined) {
      log.error(`${stuck.reason}: queue "${this.#lastQueueName}" is not consumed meanwhile`);
      this.#releaseWaiting();
    }
    // A channel that is only being opened will judge for itself.
    void this.#session.channel?.follow();
  }

  async #drain(timeoutMs: number): Promise<ConsumerStopResult> {
    const deadline = new Deadline(timeoutMs);
    const { tally } = this.#host;
    const before = { ...tally };
    // What arrives until the broker has answered is given back as it comes.
    const cancelled = this.#session.channel?.follow();
    this.#releaseWaiting();
    for (const held of this.#subscription?.held ?? []) held.retryNow();
    const done = Promise.all([cancelled, this.#pool.idle(), this.#subscription?.whenEmpty()]);
    const { recallMs, closeMs } = drainTimes(timeoutMs);
    await deadline.wait(done, recallMs);

    // Those who are not ready by then are told to end, and have a moment in which to do so.
    const reason = new Error("The consumer was stopped before the message was settled");
    const told = [...this.#subscription?.held ?? []];
    for (const held of told) held.recall(reason);
    await deadline.wait(done, closeMs);

    this.#callbacks.stop();
    const returned = told.filter((held) => held.returned).length;
    const { outstanding = 0, parked = 0, returning = 0 } = this.#subscription ?? {};
    const lost = tally.lost - before.lost;
    const unsettled = outstanding - parked - returning + returned;
    const abandoned = Math.max(unsettled + lost, this.#pool.running);
    const completed = tally.settled - before.settled;
    const released = tally.released - before.released - returned + parked;
    this.#subscription?.abandon(reason);
    await Promise.all([
      this.#session.stop(deadline.left(LEAST_CLOSE_MS)),
      this.#isolated?.end(deadline.left(LEAST_END_MS)),
    ]);
    this.#temporaryQueue = undefined;
    this.#unwatch();
    coreOf(this.#connection).removeUser(this.#user);
    return { completed, released, abandoned };
  }
}

function notRunning(cause?: Error): LapinmqError {
  return new LapinmqError(
    `The consumer is not running${
      cause === undefined ? "" : ` (${cause.message})`
    }: start() it first`,
    { code: "CONSUMER_STOPPED", cause },
  );
}
