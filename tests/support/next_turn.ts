/** Resolves in the next turn of the event loop: what was to happen in this one has happened. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
