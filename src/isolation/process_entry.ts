import process from "node:process";
import { exit, listenerErrorsAreCaught, onOsSignal } from "../runtime.ts";
import { withEmptyBytes } from "./empty_bytes.ts";
import { closeOwnConnections, noteOwnConnections } from "./own_connections.ts";
import { type ImportTask, serveTask } from "./serve_task.ts";
import { type FromTask, plainError, type ToTask } from "./wire.ts";

/**
 * Where a process finds this module. It is imported by the program as well, which does not call it:
 * so it is in the cache wherever the program is.
 */
export const entryHref: string = import.meta.url;

/**
 * Runs the task of a module for the program that started this process.
 *
 * @returns Never: the process ends with its channel.
 */
export async function serveProcess(importTask: ImportTask): Promise<never> {
  // Ctrl-C, and systemd, tell every process, while the program may still wait for the task.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const) {
    onOsSignal(signal, () => {});
  }
  noteOwnConnections();
  process.on("disconnect", () => void closeOwnConnections().then(() => exit(0)));
  const post = takeChannel();
  const end = (event: Event, thrown: unknown) => {
    event.preventDefault(); // It would end the process before the program has been told.
    post({ kind: "ending", error: plainError(thrown) }, () => exit(1));
  };
  addEventListener("error", (event) => {
    if (!listenerErrorsAreCaught()) end(event, event.error);
  });
  addEventListener("unhandledrejection", (event) => end(event, event.reason));
  serveTask({
    post,
    listen: (listener) =>
      process.on("message", (received) => {
        const told = received as ToTask;
        listener(told.kind === "run" ? { ...told, message: withEmptyBytes(told.message) } : told);
      }),
  }, importTask);
  return await new Promise(() => {});
}

/**
 * The way to the program, which is taken from the task: whatever is sent the program holds in memory as
 * a whole before it can look at it, and a task that may do nothing is not to fill that.
 */
function takeChannel(): (message: FromTask, sent?: () => void) => void {
  const send = process.send?.bind(process);
  Object.defineProperty(process, "send", { value: undefined });
  return (message, sent) => send?.(message, sent);
}
