import { printable } from "./printable.ts";

/**
 * Where the library says what it notices. `console` fits, and so does the logger of most logging
 * packages.
 *
 * @example Send everything to the console
 * ```ts no-assert
 * import { Connection } from "@lapinmq/lapinmq";
 *
 * const connection = new Connection({ logger: console });
 * ```
 */
export interface Logger {
  /** Details for somebody who looks for a fault. */
  debug(message: string, ...data: unknown[]): void;
  /** Ordinary events, such as a connection that was opened. */
  info(message: string, ...data: unknown[]): void;
  /** Problems that the library deals with, such as a connection that was lost. */
  warn(message: string, ...data: unknown[]): void;
  /** Problems that the program should deal with, such as a callback that threw. */
  error(message: string, ...data: unknown[]): void;
}

/** At most this many problems are printed in one window of time, so that a storm stays readable. */
const PRINTED_PER_WINDOW = 10;
const WINDOW_MS = 10_000;

/** By a clock that nobody sets. */
let windowStart = -WINDOW_MS;
let printed = 0;

/** Prints a problem, if there is neither a logger nor a listener that takes it. */
function printProblem(message: string, ...data: unknown[]): void {
  const now = performance.now();
  if (now - windowStart >= WINDOW_MS) {
    const hidden = printed - PRINTED_PER_WINDOW;
    if (hidden > 0) console.warn(`lapinmq: ${hidden} further problems were not printed`);
    windowStart = now;
    printed = 0;
  }
  if (++printed <= PRINTED_PER_WINDOW) {
    console.warn(`lapinmq: ${printable(message)}`, ...data);
  }
}

/** Calls the logger; one that throws harms nothing else. */
function guarded(logger: Logger, level: keyof Logger): (m: string, ...data: unknown[]) => void {
  return (message, ...data) => {
    const failed = (error: unknown) =>
      printProblem(`the logger failed while it was told "${message}"`, error);
    try {
      // It should return nothing, but an asynchronous one returns a promise, which may reject.
      const result: unknown = logger[level](printable(message), ...data);
      if (result instanceof Promise) result.catch(failed);
    } catch (error) {
      failed(error);
    }
  };
}

const ignore = (): void => {};

/**
 * The logger that the library works with.
 *
 * @param logger The user's: an object; `null` for silence; `undefined` for problems on the console.
 */
export function resolveLogger(logger: Logger | null | undefined): Logger {
  if (logger === null) return { debug: ignore, info: ignore, warn: ignore, error: ignore };
  if (logger === undefined) {
    return { debug: ignore, info: ignore, warn: printProblem, error: printProblem };
  }
  return {
    debug: guarded(logger, "debug"),
    info: guarded(logger, "info"),
    warn: guarded(logger, "warn"),
    error: guarded(logger, "error"),
  };
}
