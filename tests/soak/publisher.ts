/** A program that sends messages at a steady rate until SIGTERM, and writes down what becomes of each. */

import { bodies, messageId, sizeOf } from "./bodies.ts";
import { runProgram } from "./program.ts";
import { randomFrom } from "../support/random.ts";

/** How many sends may be open; with more, the program waits, as a sane one would. */
const MOST_OPEN = 500;
const MOST_OPEN_BYTES = 24 * 1024 * 1024;

await runProgram(async ({ setup, journal, client, signal }) => {
  const random = randomFrom(setup.seed);
  const makeBody = bodies(setup.seed);
  const publisher = await client.publisher({ ...setup, journal });
  const open = new Set<Promise<void>>();
  let openBytes = 0;
  let sequence = 0;

  const send = () => {
    const size = sizeOf(random.next());
    const body = makeBody(size, ++sequence);
    const id = messageId(setup.name, sequence, body);
    const queue = setup.queues[sequence % setup.queues.length];
    journal.write("attempt", id, queue);
    openBytes += size;
    const sent = publisher.send({ queue, id, body }).then(
      () => journal.write("resolved", id, queue),
      (error) => journal.write("rejected", id, error?.code ?? error?.message ?? String(error)),
    ).finally(() => {
      open.delete(sent);
      openBytes -= size;
    });
    open.add(sent);
  };

  const interval = 1_000 / setup.rate;
  let due = performance.now();
  while (!signal.aborted) {
    await new Promise((resolve) => setTimeout(resolve, interval));
    due = Math.max(due, performance.now() - 1_000);
    while (due <= performance.now()) {
      due += interval;
      if (open.size < MOST_OPEN && openBytes < MOST_OPEN_BYTES) send();
    }
  }
  await publisher.stop();
});
