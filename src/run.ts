import { Consumer } from "./consumer.ts";
import { Deadline } from "./deadline.ts";
import { ConfigurationError } from "./errors.ts";
import { Publisher } from "./publisher.ts";
import { exit, onOsSignal, setExitCode } from "./runtime.ts";
import { checkOsSignals, ECHO_MS, type WaitForShutdownOptions } from "./shutdown.ts";
import { knownOptions, milliseconds, optionalSignal, refuse } from "./validate.ts";

/** What {@linkcode run} runs, and how it ends. */
export interface RunOptions {
  /** The publishers to start first and stop last. */
  publishers?: readonly Publisher[];
  /** The consumers to start after the publishers and stop before them. */
  consumers?: readonly Consumer[];
  /**
   * How long stopping may take altogether, in milliseconds, 0 to 2 147 483 647. Kubernetes kills a
   * program 30 s after SIGTERM.
   *
   * @default {25000}
   */
  timeoutMs?: number;
  /**
   * The signals of the operating system that end the run.
   *
   * @default {["SIGINT", "SIGTERM"]}
   */
  osSignals?: WaitForShutdownOptions["osSignals"];
  /** Ends the run when it is aborted. */
  signal?: AbortSignal;
}

/** How a {@linkcode run} ended. */
export interface RunResult {
  /** 0: all that was begun was finished. 1: something was given up. It is the program's exit code too. */
  readonly exitCode: 0 | 1;
  /** Why it ended, where nobody asked for it: a publisher or consumer gave up (`giveUpAfterMs`). */
  readonly cause?: Error;
  /** How many messages the consumers did not settle in time; the broker delivers them again. */
  readonly abandoned: number;
  /** How many messages the publishers did not see confirmed. */
  readonly unconfirmed: number;
}

/**
 * Runs a service: starts the publishers, then the consumers, waits for Ctrl-C, SIGTERM or the signal,
 * stops the consumers, then the publishers that they may be using, then their connections, all within
 * one deadline, and sets the exit code of the program. A second signal ends the program at once with
 * exit code 1. A task that was abandoned and does not heed its signal may keep the program alive
 * after that; `Deno.exit()` ends it.
 *
 * @example A worker
 * ```ts no-eval no-assert
 * import { Consumer, MessageStatus, run } from "@lapinmq/lapinmq";
 *
 * await run({
 *   consumers: [
 *     new Consumer({ queueName: "task_queue", taskFunction: () => MessageStatus.SUCCESS }),
 *   ],
 * });
 * ```
 *
 * @param options What to run and how to end it.
 * @returns How it ended.
 * @throws {ConfigurationError} If an option has a bad value.
 * @throws {LapinmqError} If one of them cannot be started; the others are stopped first.
 */
export async function run(options: RunOptions): Promise<RunResult> {
  knownOptions("run options", options, [
    "publishers",
    "consumers",
    "timeoutMs",
    "osSignals",
    "signal",
  ]);
  const timeoutMs = milliseconds("timeoutMs", options.timeoutMs, 0, 25_000);
  const osSignals = checkOsSignals(options.osSignals);
  const signal = optionalSignal("signal", options.signal);
  const publishers = members("publishers", options.publishers, Publisher);
  const consumers = members("consumers", options.consumers, Consumer);
  if (publishers.length + consumers.length === 0) {
    throw new ConfigurationError(
      `Cannot run nothing: neither "publishers" nor "consumers" holds any: give at least one`,
    );
  }
  const asked = Promise.withResolvers<undefined>();
  let asks = 0;
  let askedAt = 0;
  const ask = () => {
    if (++asks === 1) {
      askedAt = performance.now();
      asked.resolve(undefined);
    } else if (performance.now() - askedAt > ECHO_MS) exit(1);
  };
  const removers = osSignals.map((name) => onOsSignal(name, ask));
  // Not a second one: the signal of a program is often aborted by a signal of the system.
  const abort = () => {
    if (asks === 0) ask();
  };
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted) abort();
  try {
    const all = [...publishers, ...consumers];
    // A rejection after the program was asked to end is that of a start that was interrupted.
    await Promise.race([startAll(all, () => asks > 0), asked.promise]);
    const cause = await Promise.race([whenClosed(all), asked.promise]);
    return await stopAll(publishers, consumers, timeoutMs, cause);
  } catch (error) {
    await stopAll(publishers, consumers, 0);
    throw error;
  } finally {
    for (const remove of removers) remove?.();
    signal?.removeEventListener("abort", abort);
  }
}

type Member = Publisher | Consumer;

async function startAll(all: readonly Member[], asked: () => boolean): Promise<void> {
  for (const member of all) {
    if (!asked()) await member.start();
  }
}

/** Resolves when one of them gave up, with the cause, or when all were stopped. */
async function whenClosed(all: readonly Member[]): Promise<Error | undefined> {
  const gaveUp = Promise.withResolvers<Error>();
  const closed = all.map(async (member) => {
    const cause = await member.closed;
    if (cause !== undefined) gaveUp.resolve(cause);
  });
  return await Promise.race([gaveUp.promise, Promise.all(closed).then(() => undefined)]);
}

async function stopAll(
  publishers: readonly Publisher[],
  consumers: readonly Consumer[],
  timeoutMs: number,
  cause?: Error,
): Promise<RunResult> {
  const deadline = new Deadline(timeoutMs);
  const left = () => ({ timeoutMs: deadline.left() });
  const drained = await Promise.all(consumers.map((one) => one.stop(left())));
  const flushed = await Promise.all(publishers.map((one) => one.stop(left())));
  const connections = new Set([...publishers, ...consumers].map((one) => one.connection));
  await Promise.all([...connections].map((one) => one.close(left())));
  const abandoned = drained.reduce((sum, result) => sum + result.abandoned, 0);
  const unconfirmed = flushed.reduce(
    (sum, { unsent, unknown }) => sum + unsent.length + unknown.length,
    0,
  );
  const exitCode = cause === undefined && abandoned + unconfirmed === 0 ? 0 : 1;
  if (exitCode !== 0) setExitCode(exitCode);
  return { exitCode, cause, abandoned, unconfirmed };
}

function members<T extends object>(
  name: string,
  value: unknown,
  kind: new (options: never) => T,
): readonly T[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.some((member) => !(member instanceof kind))) {
    refuse(name, value, `an array of ${kind.name}s`);
  }
  return value;
}
