/** Resolves in the next turn of the event loop: what was to happen in this one has happened. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/** Lets everything of this turn happen, and nothing of the next: no timer fires, no input is read. */
export async function restOfTurn(): Promise<void> {
  for (let step = 0; step < 200; step++) await null;
}
