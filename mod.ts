/**
 * A `Publisher` and a `Consumer` for RabbitMQ, with the broker's best practices built in:
 * long-lived connections, confirmed and `mandatory` publishing, prefetch and acknowledgement after
 * the work, recovery, graceful shutdown.
 *
 * The delivery guarantee is *at least once*: a message that `sendMessage` has resolved for is not
 * lost on its way to a durable queue, and is delivered until a task has settled it. Duplicates are
 * possible; every message carries a `messageId` by which they can be recognised.
 *
 * @example Send and receive
 * ```ts no-eval no-assert
 * import { Consumer, MessageStatus, Publisher } from "@lapinmq/lapinmq";
 *
 * await using publisher = new Publisher();
 * await publisher.start();
 * await publisher.sendMessageToQueue({ queueName: "task_queue", body: "hello" });
 *
 * await using consumer = new Consumer({
 *   queueName: "task_queue",
 *   workers: 3,
 *   taskFunction: (message) => {
 *     console.log(message.text());
 *     return MessageStatus.SUCCESS;
 *   },
 * });
 * await consumer.start();
 * ```
 *
 * @module
 */

export { Connection } from "./src/connection.ts";
export { Consumer } from "./src/consumer.ts";
export { Message } from "./src/message.ts";
export { MessageStatus } from "./src/message_status.ts";
export { Publisher } from "./src/publisher.ts";
export { run } from "./src/run.ts";
export { defineTask } from "./src/task.ts";
export { waitForShutdown, waitForSigterm } from "./src/shutdown.ts";

export {
  AccessRefusedError,
  AuthenticationError,
  ChannelError,
  ConfigurationError,
  ConnectionError,
  ExchangeNotFoundError,
  LapinmqError,
  MessageDecodeError,
  QueueNotFoundError,
} from "./src/errors.ts";
export {
  ConfirmTimeoutError,
  ConnectionLostError,
  NackedError,
  PublisherOverflowError,
  PublishError,
  PublisherStoppedError,
  SendAbortedError,
  UnroutableError,
} from "./src/publish_errors.ts";

export type {
  DecimalValue,
  Delivery,
  Dial,
  FieldTable,
  FieldValue,
  MessageProperties,
} from "./src/amqp/driver.ts";
export type { ConnectionCloseOptions, ConnectionEventMap } from "./src/connection.ts";
export type { ConnectionOptions, ReconnectOptions } from "./src/connection_options.ts";
export type { Credentials, CredentialsProvider } from "./src/credentials.ts";
export type { ConsumerEventMap, SettledOutcome } from "./src/consumer_events.ts";
export type { BaseConsumerOptions, ConsumerOptions, TaskFunction } from "./src/consumer_options.ts";
export type { ConsumerStopOptions, ConsumerStopResult } from "./src/consumer_results.ts";
export type {
  ChannelErrorOptions,
  ConnectionErrorOptions,
  LapinmqErrorCode,
  LapinmqErrorOptions,
} from "./src/errors.ts";
export type { ErrorDetail, TypedEventTarget, TypedListener } from "./src/events.ts";
export type { Health, HeldUp } from "./src/health.ts";
export type { ConnectionRole } from "./src/link.ts";
export type { TaskPermissions, TaskPermissionsByName } from "./src/isolation/process_flags.ts";
export type { TaskInProcess } from "./src/isolation/task_in_process.ts";
export type { TaskInProgram, TaskInThread, TaskPlace } from "./src/isolation/task_options.ts";
export type { Logger } from "./src/log.ts";
export type { MessageFacts } from "./src/message_facts.ts";
export type { MessageSettlement } from "./src/message.ts";
export type { PublishErrorOptions, PublishTarget } from "./src/publish_errors.ts";
export type { PublisherEventMap } from "./src/publisher.ts";
export type { FailedMessage, PublisherOptions } from "./src/publisher_options.ts";
export type {
  FlushResult,
  PublisherStopOptions,
  PublisherStopResult,
  UnsentMessage,
} from "./src/publisher_results.ts";
export type { RunEndReason, RunOptions, RunResult } from "./src/run.ts";
export type { OsSignal } from "./src/runtime.ts";
export type {
  MessageOptions,
  SendCallbacks,
  SendMessageOptions,
  SendToQueueOptions,
} from "./src/send_options.ts";
export type { WaitForShutdownOptions } from "./src/shutdown.ts";
export type { Task, TaskMessage, TaskStatus } from "./src/task.ts";
export type { TlsOptions } from "./src/tls_options.ts";
export type { AuthMechanism } from "./src/url_parameters.ts";
