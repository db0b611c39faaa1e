import { ConfigurationError } from "../errors.ts";
import type { WireMessage, WireOutcome } from "./wire.ts";

/**
 * One thread or process that runs the task of a module, on one message at a time. It begins to load
 * the module when it is made.
 */
export interface TaskWorker {
  /** Resolves when the module is loaded and has a task; rejects with what was wrong. */
  readonly ready: Promise<void>;
  /** Resolves when it has ended, by itself or as it was told to, with why. Never rejects. */
  readonly ended: Promise<Error>;
  /**
   * Works on one message; only after `ready`, and only when the one before is done.
   *
   * @returns What becomes of the message. Rejects with why it ended, if it ends before that.
   */
  run(message: WireMessage): Promise<WireOutcome>;
  /** Aborts the signal of the message that is worked on, if there is one. */
  abort(reason: Error): void;
  /**
   * Ends it, whatever it is doing.
   *
   * @param withinMs How long to wait for a thread that may be in a busy loop. Default: a second.
   * @returns Whether it is known to be gone: a thread in a busy loop is not, and `ended` tells when.
   */
  end(withinMs?: number): Promise<boolean>;
}

/** Why one has ended: because of an error in it. */
export function uncaught(kind: "thread" | "process", cause: Error): Error {
  return new Error(
    `The ${kind} of the task ended, as nobody caught an error: ${cause.name}: ${cause.message}`,
    { cause },
  );
}

/** Why a module is not loaded: what was to load it has ended before. */
export function notLoaded(cause: Error): ConfigurationError {
  return new ConfigurationError(
    `Cannot load the task module: ${cause.message} before it was loaded: see what it has printed`,
    { cause },
  );
}
