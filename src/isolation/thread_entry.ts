import process from "node:process";
import { workerData } from "node:worker_threads";
import { listenerErrorsAreCaught } from "../runtime.ts";
import { closeOwnConnections, noteOwnConnections } from "./own_connections.ts";
import { type ImportTask, serveTask } from "./serve_task.ts";
import { type FromTask, plainError, type ToTask } from "./wire.ts";

/** What a thread is told. */
export type ToThread = ToTask | { readonly kind: "end" };

/**
 * Where a thread finds this module. It is imported by the program as well, which does not call it:
 * so it is in the cache wherever the program is.
 */
export const entryHref: string = import.meta.url;

/** Registered, as a task module may import another copy of this library than the program does. */
const IS_TASK_THREAD = Symbol.for("lapinmq.taskThread");

/** Whether this is such a thread. */
export function isTaskThread(): boolean {
  return Object.hasOwn(globalThis, IS_TASK_THREAD);
}

/** Runs the task of a module for the program that started this thread. */
export function serveThread(importTask: ImportTask): void {
  Object.defineProperty(globalThis, IS_TASK_THREAD, { value: true });
  noteOwnConnections();
  const { port }: { port: MessagePort } = workerData;
  const { exit } = process; // Before the task module is loaded, which might replace it.
  const post = (message: FromTask) => port.postMessage(message);
  const end = (event: Event, thrown: unknown) => {
    event.preventDefault(); // It would be printed as well, and its stack would not reach the program.
    post({ kind: "ending", error: plainError(thrown) });
    exit(1);
  };
  addEventListener("error", (event) => {
    if (!listenerErrorsAreCaught()) end(event, event.error);
  });
  addEventListener("unhandledrejection", (event) => end(event, event.reason));
  // Missing here, and in the main thread it is there: libraries ask for it.
  Object.assign(globalThis, { self: globalThis });
  serveTask({
    post,
    listen(listener) {
      port.onmessage = ({ data }: MessageEvent<ToThread>) =>
        data.kind === "end" ? void closeOwnConnections().then(() => exit(0)) : listener(data);
    },
  }, importTask);
}
