/** Says that a channel was lost and will be opened again. */
export function reopening(who: string, cause: Error): string {
  return `the channel of a ${who} was lost and will be opened again: ${cause.message}`;
}
