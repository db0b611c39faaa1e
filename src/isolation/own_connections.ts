import { Deadline } from "../deadline.ts";

/** How long they have: well before the program takes a thread or process for one that hangs. */
const CLOSE_MS = 700;

/** Something with sends on their way, such as a connection with publishers. */
interface Closable {
  close(timeoutMs: number): Promise<void>;
}

/** Registered, as a task module may import another copy of this library than the program does. */
const OPEN = Symbol.for("lapinmq.openInTask");

function open(): Set<Closable> | undefined {
  return Object.getOwnPropertyDescriptor(globalThis, OPEN)?.value;
}

/** From here on, the connections that a task makes for itself are known. */
export function noteOwnConnections(): void {
  Object.defineProperty(globalThis, OPEN, { value: new Set() });
}

/** A connection has its first publisher or consumer; noted only in the thread or process of a task. */
export function opened(connection: Closable): void {
  open()?.add(connection);
}

/** It has none any more. */
export function closed(connection: Closable): void {
  open()?.delete(connection);
}

/** Stops the publishers and consumers that a task has made for itself. Never rejects. */
export async function closeOwnConnections(): Promise<void> {
  const all = [...open() ?? []];
  if (all.length === 0) return;
  const closing = Promise.allSettled(all.map((connection) => connection.close(CLOSE_MS)));
  await new Deadline(CLOSE_MS + 100).wait(closing);
}
