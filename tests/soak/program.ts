/** What the publisher and the worker program have in common. */

import { type Client, loadClient } from "./client.ts";
import { type Journal, openJournal } from "./journal.ts";
import { readSetup, type Setup } from "./setup.ts";

const RSS_EVERY_MS = 2_000;

/** What a program of the soak does. */
export interface Program {
  readonly setup: Setup;
  readonly journal: Journal;
  readonly client: Client;
  /** Aborts when the program is asked to end. */
  readonly signal: AbortSignal;
}

/** Runs a program until it has done what it does after it was asked to end. */
export async function runProgram(main: (program: Program) => Promise<void>): Promise<void> {
  const setup = readSetup();
  const journal = openJournal(setup.journal);
  const uncaught = (error: unknown) =>
    journal.write("uncaught", "-", error instanceof Error ? error.stack : String(error));
  // Counted instead of fatal, so that one such error does not hide the next.
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    uncaught(event.reason);
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    uncaught(event.error);
  });
  const asked = new AbortController();
  const stop = () => asked.abort();
  Deno.addSignalListener("SIGTERM", stop);
  const watch = setInterval(() => {
    journal.write("rss", "-", String(Deno.memoryUsage().rss));
    if (Deno.ppid !== setup.parent) Deno.exit(1);
  }, RSS_EVERY_MS);
  try {
    const client = await loadClient(setup.client);
    await main({ setup, journal, client, signal: asked.signal });
    journal.write("ended");
    // From here on it ends by itself, or it hangs on something that the client has left open.
    clearInterval(watch);
    Deno.removeSignalListener("SIGTERM", stop);
  } catch (error) {
    uncaught(error);
    Deno.exit(1);
  }
}
