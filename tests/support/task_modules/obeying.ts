/**
 * A task that does what its message says: `WORD` or `WORD ARGUMENT`. It imports nothing of `@std`: a
 * process does not get the configuration by which the tests find that without jsr.io.
 */

import process from "node:process";
import { defineTask, MessageStatus, type TaskMessage } from "../../../src/task.ts";

/** Rejects with the reason where the signal aborts. */
function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => reject(signal.reason));
  });
}

/** Computes for so many milliseconds without awaiting anything. */
function compute(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** Computes without awaiting anything until there is such a file. */
function computeUntil(file: string): void {
  while (true) {
    try {
      return void Deno.statSync(file);
    } catch {
      // Not yet.
    }
  }
}

/** Until the signal aborts, and then as long again. */
async function untilAborted({ signal }: TaskMessage, thenMs: number): Promise<void> {
  if (!signal.aborted) {
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  }
  await pause(thenMs);
}

export default defineTask(async (message) => {
  const [word, argument = ""] = message.text().split(" ");
  switch (word) {
    case "compute":
      compute(Number(argument));
      break;
    case "compute-until":
      computeUntil(argument);
      break;
    case "wait":
      await pause(Number(argument), message.signal);
      break;
    case "obey":
      await untilAborted(message, Number(argument));
      return MessageStatus.FAIL_DO_NOT_RETRY;
    case "hold":
      message.signal.addEventListener("abort", () => compute(Number(argument)));
      await new Promise(() => {});
      break;
    case "hang":
      await new Promise(() => {});
      break;
    case "throw":
      throw new RangeError(argument);
    case "throw-later":
      setTimeout(() => {
        throw new RangeError(argument);
      });
      await new Promise(() => {});
      break;
    case "reject-later":
      Promise.reject(new RangeError(argument));
      await new Promise(() => {});
      break;
    case "exit":
      Deno.exit(Number(argument));
      break;
    case "process-exit":
      process.exit(Number(argument));
      break;
    case "close":
      close();
      await new Promise(() => {});
      break;
    case "json":
      message.json();
      break;
    case "refuse":
      return MessageStatus.FAIL_DO_NOT_RETRY;
    case "callback":
      return MessageStatus.HANDLED_VIA_CALLBACK as never;
    case "nothing":
      return undefined as never;
    case "ack":
    case "reject":
    case "rejectRetry":
      (message as unknown as Record<string, () => void>)[word]();
      break;
    case "append":
      await Deno.writeTextFile(argument, `${message.redelivered}\n`, { append: true });
  }
  return MessageStatus.SUCCESS;
});
