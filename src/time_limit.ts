import type { HeldDelivery } from "./held_delivery.ts";

/**
 * Limits the time of a task: aborts the signal of its message, and after the grace says that it is
 * over. Nothing is done if there is no limit.
 *
 * @returns Ends the watch, as the task has ended.
 */
export function limitTime(
  held: HeldDelivery,
  { taskTimeoutMs, taskGraceMs }: {
    readonly taskTimeoutMs: number | undefined;
    readonly taskGraceMs: number;
  },
  over: () => void,
): () => void {
  if (taskTimeoutMs === undefined) return () => {};
  let timer = setTimeout(() => {
    held.abort(new DOMException(`The task took longer than ${taskTimeoutMs} ms`, "TimeoutError"));
    timer = setTimeout(over, taskGraceMs);
  }, taskTimeoutMs);
  return () => clearTimeout(timer);
}
