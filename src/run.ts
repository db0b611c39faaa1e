import { lookEveryMs, QuietClock } from "./activity.ts";
import { activityOfConsumer, Consumer } from "./consumer.ts";
import { Deadline } from "./deadline.ts";
import { drainDefault } from "./drain_default.ts";
import { ConfigurationError } from "./errors.ts";
import { activityOfPublisher, Publisher } from "./publisher.ts";
import { exit, onOsSignal, setExitCode } from "./runtime.ts";
import { checkOsSignals, ECHO_MS, type WaitForShutdownOptions } from "./shutdown.ts";
import {
  knownOptions,
  milliseconds,
  optionalMilliseconds,
  optionalSignal,
  refuse,
} from "./validate.ts";

/** What {@linkcode run} runs, and how it ends. */
export interface RunOptions {
  /** The publishers to start first and stop last. */
  publishers?: readonly Publisher[];
  /** The consumers to start after the publishers and stop before them. */
  consumers?: readonly Consumer[];
  /**
   * How long stopping may take altogether, in milliseconds, 0 to 2 147 483 647. Default: 25 000; on
   * Deno Deploy (if `DENO_DEPLOY` is set) 4 000. Kubernetes kills a program 30 s after SIGTERM, Deno
   * Deploy 5 s after SIGINT.
   */
  timeoutMs?: number;
  /**
   * Ends the run when there was nothing to do for so long, in milliseconds, 1 to 2 147 483 647: no
   * message arrived, none is worked on, waits for a retry or a callback, or is to be confirmed. Only
   * the time in which all consumers could receive counts: a broker that is away may hold messages, so
   * bound the run by `maxRunMs` too. Noticed late by a tenth of the time, a second at most. Default: it
   * goes on for ever.
   */
  idleMs?: number;
  /**
   * Ends the run after so long, counted from its call, in milliseconds, 1 to 2 147 483 647. What was
   * begun is then finished within `timeoutMs`, which comes on top. Default: it goes on for ever.
   */
  maxRunMs?: number;
  /**
   * The signals of the operating system that end the run.
   *
   * @default {["SIGINT", "SIGTERM"]}
   */
  osSignals?: WaitForShutdownOptions["osSignals"];
  /** Ends the run when it is aborted. */
  signal?: AbortSignal;
}

/**
 * Why a {@linkcode run} ended: `signal`: one of `osSignals` arrived; `aborted`: its `signal` was;
 * `idle`: there was nothing to do for `idleMs`; `maxRun`: `maxRunMs` was over; `gaveUp`: a publisher or
 * consumer gave up (`giveUpAfterMs`); `stopped`: the program itself stopped all that ran.
 */
export type RunEndReason = "signal" | "aborted" | "idle" | "maxRun" | "gaveUp" | "stopped";

/** How a {@linkcode run} ended. */
export interface RunResult {
  /** Why it ended. */
  readonly reason: RunEndReason;
  /** 0: all that was begun was finished. 1: something was given up. It is the program's exit code too. */
  readonly exitCode: 0 | 1;
  /** What made a publisher or consumer give up, if that is the reason. */
  readonly cause?: Error;
  /** How many messages the consumers did not finish in time; the broker delivers them again. */
  readonly abandoned: number;
  /** How many messages the publishers did not see confirmed. */
  readonly unconfirmed: number;
}

/**
 * Runs a service: starts the publishers, then the consumers, waits for Ctrl-C, SIGTERM, the signal or
 * the end of its time (`idleMs`, `maxRunMs`), stops the consumers, then the publishers that they may be using, then their connections, all within
 * one deadline, and sets the exit code of the program. A second signal ends the program at once with
 * exit code 1. A task that was abandoned and does not honour its signal may keep the program alive
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
    "idleMs",
    "maxRunMs",
  ]);
  const timeoutMs = milliseconds("timeoutMs", options.timeoutMs, 0, drainDefault(25_000));
  const idleMs = optionalMilliseconds("idleMs", options.idleMs, 1);
  const maxRunMs = optionalMilliseconds("maxRunMs", options.maxRunMs, 1);
  const osSignals = checkOsSignals(options.osSignals);
  const signal = optionalSignal("signal", options.signal);
  const publishers = members("publishers", options.publishers, Publisher);
  const consumers = members("consumers", options.consumers, Consumer);
  if (publishers.length + consumers.length === 0) {
    throw new ConfigurationError(
      `Cannot run nothing: neither "publishers" nor "consumers" holds any: give at least one`,
    );
  }
  const asked = Promise.withResolvers<End>();
  let asks = 0;
  let askedAt = 0;
  const ask = (reason: RunEndReason) => {
    if (++asks === 1) {
      askedAt = performance.now();
      asked.resolve({ reason });
    } else if (performance.now() - askedAt > ECHO_MS) exit(1);
  };
  const askOnce = (reason: RunEndReason) => {
    if (asks === 0) ask(reason);
  };
  const removers = osSignals.map((name) => onOsSignal(name, () => ask("signal")));
  // Not a second one: the signal of a program is often aborted by a signal of the system.
  const abort = () => askOnce("aborted");
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted) abort();
  const timer = maxRunMs === undefined ? undefined : setTimeout(() => askOnce("maxRun"), maxRunMs);
  let stopLooking = () => {};
  try {
    const all = [...publishers, ...consumers];
    // A rejection after the program was asked to end is that of a start that was interrupted.
    await Promise.race([startAll(all, () => asks > 0), asked.promise]);
    if (idleMs !== undefined && asks === 0) {
      stopLooking = whenIdle(publishers, consumers, idleMs, () => askOnce("idle"));
    }
    const end = await Promise.race([whenClosed(all), asked.promise]);
    stopLooking();
    return await stopAll(publishers, consumers, timeoutMs, end);
  } catch (error) {
    await stopAll(publishers, consumers, 0, { reason: "stopped" });
    throw error;
  } finally {
    for (const remove of removers) remove?.();
    signal?.removeEventListener("abort", abort);
    clearTimeout(timer);
    stopLooking();
  }
}

/** Why a run ends. */
type End = Pick<RunResult, "reason" | "cause">;

type Member = Publisher | Consumer;

async function startAll(all: readonly Member[], asked: () => boolean): Promise<void> {
  for (const member of all) {
    if (!asked()) await member.start();
  }
}

/** Resolves when one of them gave up, with the cause, or when all were stopped. */
async function whenClosed(all: readonly Member[]): Promise<End> {
  const gaveUp = Promise.withResolvers<End>();
  const closed = all.map(async (member) => {
    const cause = await member.closed;
    if (cause !== undefined) gaveUp.resolve({ reason: "gaveUp", cause });
  });
  const stopped = Promise.all(closed).then((): End => ({ reason: "stopped" }));
  return await Promise.race([gaveUp.promise, stopped]);
}

/** Calls `idle` when there was nothing to do for so long. Returns what ends the watch. */
function whenIdle(
  publishers: readonly Publisher[],
  consumers: readonly Consumer[],
  idleMs: number,
  idle: () => void,
): () => void {
  const clock = new QuietClock(
    () => [...publishers.map(activityOfPublisher), ...consumers.map(activityOfConsumer)],
    performance.now(),
  );
  const timer = setInterval(() => {
    if (clock.quietFor(performance.now()) >= idleMs) idle();
  }, lookEveryMs(idleMs));
  return () => clearInterval(timer);
}

async function stopAll(
  publishers: readonly Publisher[],
  consumers: readonly Consumer[],
  timeoutMs: number,
  { reason, cause }: End,
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
  return { reason, exitCode, cause, abandoned, unconfirmed };
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
