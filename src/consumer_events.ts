import type { ErrorDetail } from "./events.ts";
import type { MessageFacts } from "./message_facts.ts";
import type { Message } from "./message.ts";

/** How a message was settled: `reject` is without requeue. */
export type SettledOutcome = "reject";

/** The events of a `Consumer` and what their `detail` holds. */
export interface ConsumerEventMap {
  /**
   * A task threw, returned something that is no status, or took too long. One that ends because its
   * signal was aborted, as the consumer stops or the channel was lost, has not failed.
   */
  taskfailed: MessageFacts & {
    /**
     * The message that was worked on. If it ran in a thread and its body was large, the thread has
     * the memory of that now, and `body` is empty.
     */
    readonly message: Message;
    /** What went wrong. */
    readonly error: Error;
    /** What becomes of the message. */
    readonly outcome: "retry" | "reject";
    /** After how many milliseconds it goes back to the queue; `undefined` if it does not wait. */
    readonly delayMs: number | undefined;
  };
  /** It consumes from its queue, for the first time or again after its channel was lost. */
  subscribed: {
    /** The queue; that of a temporary queue has another name after its connection was lost. */
    readonly queueName: string;
  };
  /** The channel was lost, or could not be opened again; it will be tried again. */
  channellost: {
    /** Why. */
    readonly cause: Error;
  };
  /**
   * A message was settled, and how. Told of every message that may be gone for good: rejected without
   * requeue, it was dead-lettered by its queue, or deleted if that has no dead letters. The log is
   * told of each as well.
   */
  settled: MessageFacts & {
    /** How it was settled. Other outcomes may come to be told of: look at it. */
    readonly outcome: SettledOutcome;
    /** Why: the class and message of an error, or what the program said. */
    readonly reason: string;
  };
  /**
   * The consumer stops for good, as nothing is left to try: it was too long without a channel
   * (`giveUpAfterMs`), or its queue is a stream. `closed` resolves with the same cause.
   */
  gaveup: {
    /** Why. */
    readonly cause: Error;
  };
  /**
   * The event loop stood still, for half of the heartbeat interval or longer, while tasks of this
   * consumer ran: one of them computes without awaiting anything, which keeps heartbeats from being
   * sent, and the broker gives up a connection without them. Give such a task as `taskModule`.
   */
  loopblocked: {
    /** For how many milliseconds, at least. */
    readonly blockedMs: number;
    /** The queue it consumes from. */
    readonly queueName: string;
  };
  /** A listener threw. */
  error: ErrorDetail;
}
