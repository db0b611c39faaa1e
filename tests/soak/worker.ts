/** A program that works on messages until SIGTERM, and writes down each task that begins and ends. */

import { isIntact, isPoisoned } from "./bodies.ts";
import type { Incoming } from "./client.ts";
import { runProgram } from "./program.ts";
import { randomFrom } from "../support/random.ts";

const THROWS = 0.05;
const SLOW = 0.03;
/** Messages by which the suite itself finds out whether the broker works: not a part of the test. */
const CANARY = "canary:";

await runProgram(async ({ setup, journal, client, signal }) => {
  const random = randomFrom(setup.seed);

  const task = async ({ id, body, queue, redelivered }: Incoming) => {
    if (id.startsWith(CANARY)) return;
    if (setup.undertaker) return journal.write("dead", id);
    const turn = redelivered ? "again" : "first";
    journal.write("began", id, `${queue} ${turn} ${isIntact(id, body) ? "intact" : "corrupt"}`);
    const poisoned = setup.poison && isPoisoned(id, queue);
    const throws = random.chance(THROWS) || poisoned;
    const ms = random.chance(SLOW) ? random.between(500, 3_000) : random.between(1, 20);
    await new Promise((resolve) => setTimeout(resolve, poisoned ? 1 : ms));
    if (throws) {
      journal.write("threw", id);
      throw new Error("This task was to fail");
    }
    journal.write("done", id, turn);
  };

  const worker = await client.worker({
    ...setup,
    journal,
    task,
    parallel: 20,
    // Twenty failures take minutes where each waits longer than the one before.
    retryDelayMs: setup.poison ? 0 : 50,
  });
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve());
  });
  await worker.stop();
});
