import type { ErrorDetail } from "./events.ts";
import type { Message } from "./message.ts";

/** The events of a `Consumer` and what their `detail` holds. */
export interface ConsumerEventMap {
  /** A task threw, returned something that is no status, or took too long. */
  taskfailed: {
    /**
     * The message that was worked on. Where it ran in a thread and its body was large, the thread has
     * the memory of that now, and `body` is empty.
     */
    readonly message: Message;
    /** What went wrong. */
    readonly error: Error;
    /** What becomes of the message. */
    readonly outcome: "retry" | "reject";
  };
  /** The channel was lost, or could not be opened again; it will be tried again. */
  channellost: {
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
