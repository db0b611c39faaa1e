import type { FieldTable } from "./amqp/driver.ts";
import type { Connection } from "./connection.ts";
import { ConfigurationError } from "./errors.ts";
import { copyTable } from "./headers.ts";
import { type ResolvedTask, resolveTask, type TaskPlace } from "./isolation/task_options.ts";
import type { Message } from "./message.ts";
import type { MessageStatus } from "./message_status.ts";
import {
  integer,
  knownOptions,
  milliseconds,
  nonEmptyText,
  optionalMilliseconds,
  show,
  text,
} from "./validate.ts";

/** In milliseconds: the broker waits 30 minutes for what it has delivered, and a delay must end before. */
const RETRY_DELAYS = { min: 0, max: 900_000, unit: "milliseconds" };

/** Works on one message and says what becomes of it. What it throws counts as `FAIL_RETRY_LATER`. */
export type TaskFunction = (message: Message) => MessageStatus | Promise<MessageStatus>;

/** Options of a `Consumer`: where its task runs, and all others. */
export type ConsumerOptions = BaseConsumerOptions & TaskPlace;

/** Options of a `Consumer` that do not depend on where its task runs. */
export interface BaseConsumerOptions {
  /** The connection to use. Default: `Connection.default`. */
  connection?: Connection;
  /**
   * The queue, which must exist; at most 255 bytes. `""` asks for a temporary queue: exclusive to
   * this consumer, named by the broker, and deleted when the consumer stops.
   */
  queueName: string;
  /**
   * How many messages are worked on in parallel, 1 to 65 535. A `taskModule` runs in that many
   * threads or processes.
   *
   * @default {1}
   */
  workers?: number;
  /**
   * How many unsettled messages the broker hands out at a time, from `workers` to 65 535. Default:
   * `workers`. More than that keeps the workers busy when the broker is far or tasks are short, and
   * lets messages wait for callbacks or retries without holding up others.
   */
  prefetch?: number;
  /**
   * An exchange to bind the queue to; it must exist; at most 255 bytes. Without `bindingKeys`, with
   * the empty key: that is all of a `fanout` exchange, but of a `direct` or `topic` one only what is
   * sent with the empty routing key, which is usually nothing. AMQP does not tell the type of an
   * exchange, so no warning can be given. For a `topic` exchange `["#"]` is everything. One of the
   * type `headers` ignores keys, and bindings with headers cannot be made here: without
   * them it hands out everything.
   */
  exchange?: string;
  /**
   * The keys to bind with, at least one, at most 255 bytes each; only with `exchange`. Bindings are
   * added, never removed: a key that is no longer listed stays bound on a durable queue.
   */
  bindingKeys?: readonly string[];
  /** Arguments of a temporary queue, such as `{ "x-expires": 60_000 }`; only with `queueName: ""`. */
  queueArguments?: FieldTable;
  /**
   * After how many milliseconds the signal of a message aborts, 1 to 2 147 483 647. Default: never.
   */
  taskTimeoutMs?: number;
  /**
   * How long after that a task may go on, in milliseconds, 0 to 2 147 483 647, until it counts as
   * failed and its worker is freed. When as many tasks as `workers` overrun like that, the consumer
   * takes no more messages until one of them ends, so that never more than twice as many run. A
   * thread or process is ended then, and replaced; only a thread in a busy loop runs on.
   *
   * @default {5000}
   */
  taskGraceMs?: number;
  /**
   * How long a failed message waits before it is requeued, in milliseconds, 0 to 900 000; doubling
   * with each attempt, to 30 000 at most if it begins below that. It holds no worker meanwhile,
   * and others are worked on: for up to 1 000 that wait the broker is asked for others beside
   * `prefetch`. 0 requeues at once.
   *
   * @default {1000}
   */
  retryDelayMs?: number;
  /**
   * How long a callback may take (`HANDLED_VIA_CALLBACK`), in milliseconds, 1 to 2 147 483 647,
   * counted from when the task has returned. Then the signal of the message aborts, and `taskGraceMs`
   * later the message counts as failed and is retried. By default as long as RabbitMQ waits for an
   * acknowledgement.
   *
   * @default {1800000}
   */
  callbackTimeoutMs?: number;
  /**
   * How long to go on without a channel to the broker after the start, in milliseconds, 1 to
   * 2 147 483 647; then the consumer stops, and `closed` resolves with the cause. For programs that
   * are restarted when they end. Default: for ever.
   */
  giveUpAfterMs?: number;
}

/** Validated options with all defaults filled in, the connection apart. */
export interface ResolvedConsumerOptions {
  readonly queueName: string;
  readonly task: ResolvedTask;
  readonly workers: number;
  readonly prefetch: number;
  /** Whether the program chose it. */
  readonly prefetchGiven: boolean;
  readonly bindings: readonly { readonly exchange: string; readonly bindingKey: string }[];
  readonly queueArguments: FieldTable;
  readonly taskTimeoutMs: number | undefined;
  readonly taskGraceMs: number;
  readonly retryDelayMs: number;
  readonly callbackTimeoutMs: number;
  readonly giveUpAfterMs: number | undefined;
}

/** Validates the options and fills in what is missing. */
export function resolveConsumerOptions(options: ConsumerOptions): ResolvedConsumerOptions {
  knownOptions("consumer", options, [
    "connection",
    "queueName",
    "taskFunction",
    "taskModule",
    "isolation",
    "taskPermissions",
    "taskRunFlags",
    "workers",
    "prefetch",
    "exchange",
    "bindingKeys",
    "queueArguments",
    "taskTimeoutMs",
    "taskGraceMs",
    "retryDelayMs",
    "callbackTimeoutMs",
    "giveUpAfterMs",
  ]);
  const queueName = text("queueName", options.queueName);
  const task = resolveTask(options);
  const workers = integer("workers", options.workers, { min: 1, max: 65_535 }, 1);
  const prefetch = integer("prefetch", options.prefetch, { min: 1, max: 65_535 }, workers);
  if (prefetch < workers) {
    throw new ConfigurationError(
      `Cannot use option "prefetch": received ${prefetch}: it must be from "workers" (${workers}) ` +
        `to 65535, or some workers would never have a message`,
    );
  }
  const { taskTimeoutMs, callbackTimeoutMs } = options;
  if (
    options.taskGraceMs !== undefined && taskTimeoutMs === undefined &&
    callbackTimeoutMs === undefined
  ) {
    throw new ConfigurationError(
      `Cannot use option "taskGraceMs" without "taskTimeoutMs" or "callbackTimeoutMs": the grace ` +
        `begins when one of these times is over: give both`,
    );
  }
  return {
    queueName,
    task,
    workers,
    prefetch,
    prefetchGiven: options.prefetch !== undefined,
    bindings: resolveBindings(options),
    queueArguments: resolveQueueArguments(options),
    taskTimeoutMs: optionalMilliseconds("taskTimeoutMs", options.taskTimeoutMs, 1),
    taskGraceMs: milliseconds("taskGraceMs", options.taskGraceMs, 0, 5_000),
    retryDelayMs: integer("retryDelayMs", options.retryDelayMs, RETRY_DELAYS, 1_000),
    callbackTimeoutMs: milliseconds("callbackTimeoutMs", callbackTimeoutMs, 1, 1_800_000),
    giveUpAfterMs: optionalMilliseconds("giveUpAfterMs", options.giveUpAfterMs, 1),
  };
}

function resolveBindings({ exchange, bindingKeys }: ConsumerOptions) {
  if (exchange === undefined) {
    if (bindingKeys === undefined) return [];
    throw new ConfigurationError(
      `Cannot use option "bindingKeys" without "exchange": there is nothing to bind the queue to: ` +
        `give both`,
    );
  }
  nonEmptyText("exchange", exchange);
  if (bindingKeys === undefined) return [{ exchange, bindingKey: "" }];
  if (!Array.isArray(bindingKeys) || bindingKeys.length === 0) {
    throw new ConfigurationError(
      `Cannot use option "bindingKeys": received ${show(bindingKeys)}: it must be an array of at ` +
        `least one string; leave it out to bind with the empty key`,
    );
  }
  return bindingKeys.map((key, index) => ({
    exchange,
    bindingKey: text(`bindingKeys[${index}]`, key),
  }));
}

function resolveQueueArguments({ queueName, queueArguments }: ConsumerOptions): FieldTable {
  if (queueArguments === undefined) return {};
  if (queueName !== "") {
    throw new ConfigurationError(
      `Cannot use option "queueArguments" with queue ${
        show(queueName)
      }: they are for a temporary ` +
        `queue: leave them out, or give queueName: ""`,
    );
  }
  const table = copyTable("queueArguments", queueArguments);
  const type = table["x-queue-type"];
  if (type !== undefined && type !== "classic") {
    throw new ConfigurationError(
      `Cannot use option "queueArguments.x-queue-type": received ${
        show(type)
      }: a temporary queue ` +
        `can only be "classic"`,
    );
  }
  return table;
}
