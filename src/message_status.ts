import { MessageDecodeError } from "./errors.ts";
import { show } from "./validate.ts";

/**
 * What a task returns: it decides what becomes of the message.
 *
 * | status | effect at the broker |
 * |---|---|
 * | `SUCCESS` | acknowledged |
 * | `FAIL_RETRY_LATER` | after the retry delay, rejected with requeue |
 * | `FAIL_DO_NOT_RETRY` | rejected without requeue: dead-lettered if the queue says so, else deleted |
 * | `HANDLED_VIA_CALLBACK` | nothing now: `message.ack`, `.reject` or `.rejectRetry` will be called |
 *
 * @example Decide
 * ```ts no-assert
 * import { type Message, MessageStatus } from "@lapinmq/lapinmq";
 *
 * function task(message: Message): MessageStatus {
 *   return message.body.length > 0 ? MessageStatus.SUCCESS : MessageStatus.FAIL_DO_NOT_RETRY;
 * }
 * ```
 */
export const MessageStatus: {
  /** The message is acknowledged. */
  readonly SUCCESS: "SUCCESS";
  /** After the retry delay the message is rejected with requeue. */
  readonly FAIL_RETRY_LATER: "FAIL_RETRY_LATER";
  /** The message is rejected without requeue: dead-lettered if the queue says so, else deleted. */
  readonly FAIL_DO_NOT_RETRY: "FAIL_DO_NOT_RETRY";
  /** Nothing happens now: a callback will settle the message. */
  readonly HANDLED_VIA_CALLBACK: "HANDLED_VIA_CALLBACK";
} = {
  SUCCESS: "SUCCESS",
  FAIL_RETRY_LATER: "FAIL_RETRY_LATER",
  FAIL_DO_NOT_RETRY: "FAIL_DO_NOT_RETRY",
  HANDLED_VIA_CALLBACK: "HANDLED_VIA_CALLBACK",
};

/** One of the values of {@linkcode MessageStatus}. */
export type MessageStatus = typeof MessageStatus[keyof typeof MessageStatus];

/** What a task says of a message, and why if it failed without saying so itself. */
export type ReturnedOutcome =
  | { readonly kind: "ack" }
  | { readonly kind: "retry"; readonly failure?: Error }
  | { readonly kind: "reject"; readonly failure?: Error }
  | { readonly kind: "callback" };

/** What becomes of a message, whether or not a task could work on it. */
export type Outcome =
  | ReturnedOutcome
  /** It goes back: no task has begun with it, or none may end. */
  | { readonly kind: "release" };

/** No reason is longer than this, whatever an error says. */
const MOST_OF_A_REASON = 1_024;

/** Why a message is rejected, in words. */
export function reasonOf({ failure }: { readonly failure?: Error }): string {
  if (failure === undefined) return "the task returned FAIL_DO_NOT_RETRY";
  return `${failure.name}: ${failure.message}`.slice(0, MOST_OF_A_REASON);
}

/** What the value that a task returned means. */
export function outcomeOfReturn(returned: unknown): ReturnedOutcome {
  switch (returned) {
    case MessageStatus.SUCCESS:
      return { kind: "ack" };
    case MessageStatus.FAIL_RETRY_LATER:
      return { kind: "retry" };
    case MessageStatus.FAIL_DO_NOT_RETRY:
      return { kind: "reject" };
    case MessageStatus.HANDLED_VIA_CALLBACK:
      return { kind: "callback" };
  }
  return {
    kind: "retry",
    failure: new TypeError(
      `Cannot tell what becomes of the message: the task returned ${show(returned)}: it must ` +
        `return a MessageStatus; the message will be retried`,
    ),
  };
}

/** What it means that a task threw. */
export function outcomeOfThrow(
  thrown: unknown,
): { readonly kind: "retry" | "reject"; readonly failure: Error } {
  const failure = thrown instanceof Error
    ? thrown
    // Not String(): that throws itself for an object without a prototype.
    : new Error(typeof thrown === "string" ? thrown : show(thrown), { cause: thrown });
  // A body that cannot be read now will not be readable later.
  return { kind: thrown instanceof MessageDecodeError ? "reject" : "retry", failure };
}
