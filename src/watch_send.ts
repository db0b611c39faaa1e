import type { OpenSend } from "./open_send.ts";
import { unrefTimer } from "./runtime.ts";

/** What becomes of a send that has limits of its own. */
export interface SendWatcher {
  /** Its own time is over. */
  expire(send: OpenSend): void;
  /** Its signal aborted. */
  abort(send: OpenSend): void;
}

/** Watches the limits that a send has for itself, until it is settled. Costs nothing if it has none. */
export function watchSend(send: OpenSend, watcher: SendWatcher): void {
  const { sendTimeoutMs, signal } = send.message;
  if (sendTimeoutMs === undefined && signal === undefined) return;
  let timer: ReturnType<typeof setTimeout> | undefined;
  if (sendTimeoutMs !== undefined) {
    timer = setTimeout(() => watcher.expire(send), sendTimeoutMs);
    unrefTimer(timer);
  }
  const abort = () => watcher.abort(send);
  signal?.addEventListener("abort", abort, { once: true });
  send.unwatch = () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  };
}
