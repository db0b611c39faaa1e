/**
 * What a task module needs: the module of a task that runs in a thread or process of its own
 * (`taskModule` of a `Consumer`). It loads nothing that speaks with the broker.
 *
 * @example A task module
 * ```ts no-assert
 * import { defineTask, MessageStatus } from "@lapinmq/lapinmq/task";
 *
 * export default defineTask((message) => {
 *   const { limit } = message.json<{ limit: number }>();
 *   let sum = 0;
 *   for (let number = 1; number <= limit; number++) sum += number;
 *   console.log(sum);
 *   return MessageStatus.SUCCESS;
 * });
 * ```
 *
 * @module
 */

import type { Message } from "./message.ts";
import { MessageStatus } from "./message_status.ts";
import { show } from "./validate.ts";

export { LapinmqError, MessageDecodeError } from "./errors.ts";
export { MessageStatus };
export type { FieldTable, FieldValue, MessageProperties } from "./amqp/driver.ts";
export type { LapinmqErrorCode, LapinmqErrorOptions } from "./errors.ts";

/**
 * A message as a task in a thread or process receives it: a `Message` but for `ack`, `reject` and
 * `rejectRetry`, which cannot leave the program.
 */
export type TaskMessage = Omit<Message, "ack" | "reject" | "rejectRetry">;

/** What a task in a thread or process returns: any status but the one that hands over to a callback. */
export type TaskStatus = Exclude<MessageStatus, "HANDLED_VIA_CALLBACK">;

/** Works on one message and says what becomes of it. What it throws counts as `FAIL_RETRY_LATER`. */
export type Task = (message: TaskMessage) => TaskStatus | Promise<TaskStatus>;

/** Registered, as a task module may import another copy of this library than the program does. */
const TASK = Symbol.for("lapinmq.task");

/**
 * Makes the task that a task module exports by default.
 *
 * @example A task that computes
 * ```ts no-assert
 * import { defineTask, MessageStatus } from "@lapinmq/lapinmq/task";
 *
 * export default defineTask(async (message) => {
 *   const hash = await crypto.subtle.digest("SHA-256", message.body.slice());
 *   console.log(message.routingKey, new Uint8Array(hash));
 *   return MessageStatus.SUCCESS;
 * });
 * ```
 *
 * @param task Works on one message; runs once for each, one at a time in each thread or process.
 * @returns The task; tests may call it as it is.
 * @throws {TypeError} If it is not a function.
 */
export function defineTask(task: Task): Task {
  if (typeof task !== "function") {
    throw new TypeError(
      `Cannot define a task: received ${show(task)}: it must be a function that takes a message ` +
        `and returns a MessageStatus`,
    );
  }
  return Object.defineProperty((message: TaskMessage) => task(message), TASK, { value: true });
}

/** Whether a value was made by {@linkcode defineTask}. */
export function isTask(value: unknown): value is Task {
  return typeof value === "function" && TASK in value;
}
