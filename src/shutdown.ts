import { onOsSignal, type OsSignal } from "./runtime.ts";
import { knownOptions, optionalMilliseconds, optionalSignal, show } from "./validate.ts";
import { ConfigurationError } from "./errors.ts";

/** What to wait for in {@linkcode waitForShutdown}. */
export interface WaitForShutdownOptions {
  /**
   * The signals of the operating system that end the wait. Those that the platform does not know
   * are left out.
   *
   * @default {["SIGINT", "SIGTERM"]}
   */
  osSignals?: readonly OsSignal[];
  /** Ends the wait when it is aborted. */
  signal?: AbortSignal;
  /** How long to wait at most, in milliseconds, 0 to 2 147 483 647. Default: without end. */
  timeoutMs?: number;
}

/**
 * A signal may come twice: Ctrl-C reaches a program that `deno task` runs from the terminal and from
 * the task. If nobody listened any more, the second would end the program before it has shut down.
 */
export const ECHO_MS = 250;

const OS_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK"] as const;

/** Validates the option `osSignals`; without it, those of Ctrl-C and of a polite end. */
export function checkOsSignals(osSignals: unknown): readonly OsSignal[] {
  if (osSignals === undefined) return ["SIGINT", "SIGTERM"];
  if (!Array.isArray(osSignals) || !osSignals.every((name) => OS_SIGNALS.includes(name))) {
    const received = Array.isArray(osSignals) ? osSignals.map(show).join(", ") : show(osSignals);
    throw new ConfigurationError(
      `Cannot use option "osSignals": received ${received}: it must be an array of names out of ` +
        OS_SIGNALS.map(show).join(", "),
    );
  }
  return osSignals;
}

/**
 * Waits until the program is asked to end: by Ctrl-C (SIGINT), by SIGTERM, or by an `AbortSignal`.
 * While it waits, those signals do not end the program. Needs no permission, and does not throw if
 * there are no signals, as in a worker. Deno Deploy sends SIGINT, and kills the program 5 s later.
 *
 * @example Work until Ctrl-C
 * ```ts no-eval no-assert
 * import { Consumer, MessageStatus, waitForShutdown } from "@lapinmq/lapinmq";
 *
 * await using consumer = new Consumer({
 *   queueName: "task_queue",
 *   taskFunction: () => MessageStatus.SUCCESS,
 * });
 * await consumer.start();
 * await waitForShutdown();
 * ```
 *
 * @param options What to wait for.
 * @returns `true` when the program was asked to end, `false` when the time ran out first.
 * @throws {ConfigurationError} If an option has a bad value.
 */
export async function waitForShutdown(options: WaitForShutdownOptions = {}): Promise<boolean> {
  knownOptions("shutdown options", options, ["osSignals", "signal", "timeoutMs"]);
  const signal = optionalSignal("signal", options.signal);
  const osSignals = checkOsSignals(options.osSignals);
  const timeoutMs = optionalMilliseconds("timeoutMs", options.timeoutMs, 0);

  const asked = Promise.withResolvers<boolean>();
  const stop = () => asked.resolve(true);
  let timer = timeoutMs === undefined
    ? undefined
    : setTimeout(() => asked.resolve(false), timeoutMs);
  const stopSoon = () => {
    clearTimeout(timer);
    timer = setTimeout(stop, ECHO_MS);
  };
  const removers = osSignals.map((name) => onOsSignal(name, stopSoon));
  signal?.addEventListener("abort", stop, { once: true });
  if (signal?.aborted) stop();
  try {
    return await asked.promise;
  } finally {
    for (const remove of removers) remove?.();
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}

/**
 * Waits for SIGTERM, which Kubernetes and Docker send to a program that should end. Ctrl-C goes on
 * ending the program at once; see {@linkcode waitForShutdown} for both.
 *
 * @example Poll for it between two pieces of work
 * ```ts no-assert
 * import { waitForSigterm } from "@lapinmq/lapinmq";
 *
 * const asked = await waitForSigterm(10);
 * console.log(asked ? "asked to end" : "going on");
 * ```
 *
 * @param timeoutMs How long to wait at most, in milliseconds, 0 to 2 147 483 647. Default: without
 * end.
 * @returns `true` when SIGTERM arrived, `false` when the time ran out first.
 * @throws {ConfigurationError} If `timeoutMs` is not such a number.
 */
export async function waitForSigterm(timeoutMs?: number): Promise<boolean> {
  return await waitForShutdown({ osSignals: ["SIGTERM"], timeoutMs });
}
