/** A publisher that is asked for more than there is room for. */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { NackedError, Publisher, PublisherOverflowError } from "../../mod.ts";
import { connectionForTest } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { program } from "../support/program.ts";
import { topology } from "../support/topology.ts";
import { usedMemory } from "../support/used_memory.ts";
import { startWiretap } from "../support/wiretap.ts";

for (const type of ["classic", "quorum"]) {
  Deno.test(`44 x-overflow reject-publish: what does not fit in a ${type} queue is a NackedError`, async () => {
    await using made = await topology();
    const queue = await made.queue({
      arguments: { "x-queue-type": type, "x-max-length": 5, "x-overflow": "reject-publish" },
    });
    await using connection = connectionForTest();
    const publisher = new Publisher({ connection, kind: "sync" });
    await publisher.start();
    const outcomes = await Promise.allSettled(
      Array.from(
        { length: 50 },
        (_, index) => publisher.sendMessageToQueue({ queueName: queue, body: `${index}` }),
      ),
    );
    const confirmed = outcomes.filter(({ status }) => status === "fulfilled").length;
    // A quorum queue notices a little later that it is full.
    assert(confirmed >= 5 && confirmed < 50, `${confirmed} were confirmed`);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") assertInstanceOf(outcome.reason, NackedError);
    }
    const bodies = (await made.takeAll(queue)).map((message) => message.content.toString());
    const expected = outcomes.flatMap(({ status }, index) =>
      status === "fulfilled" ? [`${index}`] : []
    );
    assertEquals(bodies, expected);
    await publisher.sendMessageToQueue({ queueName: queue, body: "there is room again" });
  });
}

Deno.test("45 a million sends without awaiting: memory stays bounded, refused past the limit", async () => {
  await using made = await topology();
  const queue = await made.queue({ arguments: { "x-max-length": 1_000 } });
  // The heap of this program is too small for a million messages.
  await using sender = await program(
    `
      import { Publisher } from "@lapinmq/lapinmq";
      const counts = {};
      const count = (name) => counts[name] = (counts[name] ?? 0) + 1;
      const publisher = new Publisher({ sendTimeoutMs: 600_000 });
      await publisher.start();
      for (let index = 0; index < 1_000_000; index++) {
        publisher.sendMessageToQueue({ queueName: ${JSON.stringify(queue)}, body: "x" })
          .then(() => count("confirmed"), (error) => count(error.code));
        // Without a turn of the event loop nobody could even be told of a refusal.
        if (index % 10_000 === 0) await new Promise((resolve) => setTimeout(resolve));
      }
      const { confirmed, failed } = await publisher.flush();
      await publisher.stop();
      console.log(JSON.stringify({ ...counts, flushed: confirmed, failed }));
    `,
    { flags: ["--allow-all", "--v8-flags=--max-old-space-size=400"] },
  );
  const { code } = await sender.ended;
  assertEquals([code, sender.output.stderr], [0, ""]);
  const counts = JSON.parse(sender.output.stdout);
  assertEquals(Object.keys(counts).toSorted(), [
    "PUBLISHER_OVERFLOW",
    "confirmed",
    "failed",
    "flushed",
  ]);
  assertEquals(counts.confirmed + counts.PUBLISHER_OVERFLOW, 1_000_000);
  assertEquals([counts.flushed, counts.failed], [counts.confirmed, counts.PUBLISHER_OVERFLOW]);
  assert(counts.confirmed >= 100_000);
});

Deno.test("77 large headers count as bytes: what is over the limit is refused", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using wiretap = startWiretap();
  await using connection = connectionForTest(wiretap.address);
  const refused: Error[] = [];
  const publisher = new Publisher({
    connection,
    maxBufferedBytes: 1_000_000,
    onSendFailure: (error) => void refused.push(error),
  });
  await publisher.start();
  wiretap.withhold();
  const before = usedMemory();
  for (let index = 0; index < 20_000; index++) {
    const headers = { large: `${index}`.padEnd(10_000, "x") };
    void publisher.sendMessageToQueue({ queueName: queue, body: "", headers });
  }
  await eventually("the rest is refused", () => refused.length === 20_000 - 99);
  const grown = usedMemory() - before;
  refused.forEach((error) => assertInstanceOf(error, PublisherOverflowError));
  // The errors are kept as well.
  assert(grown < 60_000_000, `${grown} bytes more are in use`);
  wiretap.release();
  assertEquals(await publisher.flush(), { confirmed: 99, failed: 20_000 - 99 });
});
