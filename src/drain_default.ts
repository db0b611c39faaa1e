import { readEnvironmentQuietly } from "./runtime.ts";

/**
 * Deno Deploy kills a program 5 s after it has sent SIGINT. What is left of them is for a broker that
 * is slow, for `waitForShutdown`, which waits for an echo, and for what the program itself still does.
 */
const ON_DENO_DEPLOY_MS = 4_000;

/** Whether the program runs on Deno Deploy, as far as it may know. */
export function isOnDenoDeploy(): boolean {
  return !!readEnvironmentQuietly("DENO_DEPLOY");
}

/**
 * How long a drain takes at most if the program does not say: the one place that decides it. Read
 * whenever something is stopped, which is rare.
 *
 * @param elsewhereMs Its default if there is no such hurry.
 */
export function drainDefault<T extends number | undefined>(elsewhereMs: T): T | number {
  return isOnDenoDeploy() ? ON_DENO_DEPLOY_MS : elsewhereMs;
}
