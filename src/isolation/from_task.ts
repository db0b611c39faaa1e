import type { FromTask, PlainError } from "./wire.ts";

/**
 * What a process tells, or `undefined` if it is something else: a task that has found a way to write
 * to the channel, and may do nothing else, is not to end the program by that.
 */
export function readFromTask(value: unknown): FromTask | undefined {
  return isRecord(value) && isFromTask(value) ? value : undefined;
}

function isFromTask(value: Record<string, unknown>): value is FromTask {
  switch (value.kind) {
    case "ready":
      return true;
    case "unusable":
    case "ending":
      return isPlainError(value.error);
    case "done":
      return isRecord(value.outcome) &&
        ["ack", "retry", "reject"].includes(value.outcome.kind as string) &&
        [value.outcome.failure, value.outcome.listener]
          .every((error) => error === undefined || isPlainError(error));
  }
  return false;
}

/** No error crosses with more causes; one that is its own cause has no end of them. */
const MOST_CAUSES = 8;

function isPlainError(value: unknown, causes = MOST_CAUSES): value is PlainError {
  return isRecord(value) && typeof value.name === "string" && typeof value.message === "string" &&
    (value.stack === undefined || typeof value.stack === "string") &&
    (value.cause === undefined || causes > 0 && isPlainError(value.cause, causes - 1));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
