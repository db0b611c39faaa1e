import type { Delivery } from "../amqp/driver.ts";
import { LapinmqError } from "../errors.ts";
import { Message } from "../message.ts";

/** A message in a thread or process: the program that received it settles it. */
export class IsolatedMessage extends Message {
  /** @param signal Aborts when there is no point in working on it any longer. */
  constructor(delivery: Delivery, signal: AbortSignal) {
    super(delivery, { ack: stays, reject: stays, rejectRetry: stays, signal });
  }

  override get ack(): never {
    throw staysBehind("ack");
  }

  override get reject(): never {
    throw staysBehind("reject");
  }

  override get rejectRetry(): never {
    throw staysBehind("rejectRetry");
  }
}

function stays(): boolean {
  return false;
}

function staysBehind(name: string): Error {
  return new LapinmqError(
    `Cannot use "message.${name}" in a task module: it cannot leave the program that received the ` +
      `message: return a MessageStatus instead`,
    { code: "NOT_IN_TASK_MODULE" },
  );
}
