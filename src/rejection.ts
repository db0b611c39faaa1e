/** V8 has this, and Bun; if it is missing, errors keep the stack of where they were made. */
const { captureStackTrace } = Error as { captureStackTrace?(error: Error): void };

/** After so many steps those who await a promise that was resolved with a {@linkcode rejection} know of it. */
const STEPS_UNTIL_HEARD = 5;

/**
 * A promise that rejects, to resolve another with which the program awaits. The error gets the stack
 * of those who do so: V8 knows who awaits a promise from within an async function that this promise
 * is to tell. A stack taken with each call would cost each message, this one costs those that fail.
 *
 * @param error What it rejects with.
 * @param before Called after the stack was taken, which a further handler of the other promise would
 * hide.
 */
export async function rejection(error: Error, before: () => void): Promise<never> {
  // Only then the other promise waits for this one.
  await null;
  await null;
  await null;
  captureStackTrace?.(error);
  before();
  throw error;
}

/** Resolves when those know of a rejection who await the promise that was resolved with it. */
export async function heardOf(): Promise<void> {
  for (let step = 0; step < STEPS_UNTIL_HEARD; step++) await null;
}
