/** The stream to the broker, if the program opens it itself: through a unix socket or a proxy. */

import type { Duplex } from "node:stream";
import type { Endpoint } from "../endpoints.ts";
import { ConnectionError } from "../errors.ts";
import type { Dial } from "./driver.ts";

/** Parts of a socket that another stream need not have. */
interface SocketParts {
  readonly connecting?: boolean;
  setNoDelay?(): unknown;
}

/** Calls the function, and waits until its stream is open. What it gives too late is destroyed. */
export async function dialStream(
  dial: Dial,
  { hostname, port }: Endpoint,
  signal: AbortSignal,
): Promise<Duplex> {
  const fail = (why: string, cause?: unknown): never => {
    throw new ConnectionError(
      `Cannot connect to the broker at ${hostname}:${port}: the function "dial" ${why}`,
      { code: "DIAL", cause },
    );
  };
  const aborted = Promise.withResolvers<never>();
  const giveUp = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    const dialling = (async () => await dial(hostname, port))();
    dialling.then((stream) => signal.aborted && destroy(stream), () => {});
    const stream = await Promise.race([dialling, aborted.promise]).catch((error) =>
      signal.aborted ? Promise.reject(error) : fail(`failed: ${messageOf(error)}`, error)
    );
    if (!isDuplex(stream)) fail("gave no stream to read from and to write to (a Duplex)");
    stream.on("error", ignore); // It may fail before anybody else listens.
    signal.addEventListener("abort", () => stream.destroy(), { once: true });
    await Promise.race([opened(stream), aborted.promise]).catch((error) =>
      signal.aborted
        ? Promise.reject(error)
        : fail(`gave a stream that failed: ${error.message}`, error)
    );
    return stream;
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

/** Makes what amqplib would take for a socket that `node:net` has just connected. */
export function asSocket(stream: Duplex, connected: () => void): Duplex {
  const socket = stream as Duplex & SocketParts;
  socket.setNoDelay ??= () => socket;
  tellOfClose(stream, stream);
  queueMicrotask(connected);
  return stream;
}

/** A stream that is destroyed without an error says nothing of it but that it is closed. */
export function tellOfClose(below: Duplex, above: Duplex): void {
  below.once("close", () => {
    if (below.readableEnded || below.errored) return;
    const error = new Error('the stream that the function "dial" gave was closed');
    if (above === below) above.emit("error", error);
    else above.destroy(error);
  });
}

async function opened(stream: Duplex): Promise<void> {
  if (stream.destroyed) throw stream.errored ?? new Error("it was closed");
  if (!(stream as SocketParts).connecting) return;
  const open = Promise.withResolvers<void>();
  stream.once("connect", open.resolve).once("error", open.reject);
  stream.once("close", () => open.reject(new Error("it was closed")));
  await open.promise;
}

function isDuplex(stream: unknown): stream is Duplex {
  const methods = ["read", "write", "on", "destroy"] as const;
  return methods.every((name) => typeof (stream as Partial<Duplex> | null)?.[name] === "function");
}

function destroy(stream: unknown): void {
  if (!isDuplex(stream)) return;
  stream.on("error", ignore);
  stream.destroy();
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : "it threw no Error";
}

function ignore(): void {}
