import { environmentFor } from "./broker/environment.ts";
import { findBroker, type FindOptions } from "./broker/find.ts";
import type { Broker } from "./broker/types.ts";
import { catchInterrupt } from "./interrupt.ts";

/**
 * Finds a broker, lets a program use it, and ends what was started, also when Ctrl-C comes in between: the program gets
 * the signal as well, and its broker is stopped after it.
 *
 * @returns The exit code: that of the program, or the one of the signal.
 */
export async function withBroker(
  options: FindOptions,
  program: (
    broker: Broker,
    environment: Record<string, string>,
    signal: AbortSignal,
  ) => Promise<number>,
): Promise<number> {
  using interrupt = catchInterrupt();
  const { signal } = interrupt;
  const log = options.log ?? ((line: string) => console.error(line));
  const broker = await findBroker({ ...options, log });
  try {
    // A signal that came while it started could only be noted until now.
    if (signal.aborted) return signal.reason;
    return await program(broker, environmentFor(broker), signal);
  } finally {
    await broker.stop();
  }
}

/** The exit code of a child; a signal that comes in between is passed on to it. */
export async function exitCode(child: Deno.ChildProcess, signal: AbortSignal): Promise<number> {
  const pass = () => {
    try {
      child.kill(signal.reason === 130 ? "SIGINT" : "SIGTERM");
    } catch {
      // It has ended already.
    }
  };
  signal.addEventListener("abort", pass, { once: true });
  const { code } = await child.status;
  signal.removeEventListener("abort", pass);
  return code;
}
