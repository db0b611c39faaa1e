import { ConnectionError } from "./errors.ts";

/**
 * Says that a channel was lost and will be opened again; `undefined` if that is because its
 * connection was lost, of which the `Connection` speaks already.
 */
export function lossMessage(who: string, cause: Error): string | undefined {
  if (cause instanceof ConnectionError) return undefined;
  return `the channel of a ${who} was lost and will be opened again: ${cause.message}`;
}
