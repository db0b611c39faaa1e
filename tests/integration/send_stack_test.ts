/** The stack of a failed send shows who awaits it. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Publisher, PublisherOverflowError, UnroutableError } from "../../mod.ts";
import { connectionForTest } from "../support/broker.ts";
import { topology } from "../support/topology.ts";

/** Stands for a function of the program. */
async function sendReport(publisher: Publisher, queueName: string): Promise<void> {
  await publisher.sendMessageToQueue({ queueName, body: "report" });
}

/** The stack of what this rejects with. */
async function stackOf(sending: Promise<unknown>): Promise<string> {
  try {
    await sending;
  } catch (error) {
    return (error as Error).stack!;
  }
  throw new Error("It did not fail");
}

for (const kind of ["sync", "async"] as const) {
  Deno.test(`Publisher of kind ${kind}: the stack of a failed send shows who awaits it`, async () => {
    await using made = await topology();
    const missing = made.unused();
    await using connection = connectionForTest();
    for (const onSendFailure of [undefined, () => {}]) {
      const publisher = new Publisher({ connection, kind, onSendFailure });
      await publisher.start();
      const stack = await stackOf(sendReport(publisher, missing));
      assert(stack.startsWith("UnroutableError: Cannot deliver message"), stack);
      assertMatch(stack, /at async sendReport .*send_stack_test\.ts:10:/);
      assertMatch(stack, /at async stackOf/);
      const all = await stackOf(Promise.all([sendReport(publisher, missing)]));
      assertMatch(all, /at async sendReport/);
      await publisher.stop();
    }
  });
}

Deno.test("Publisher: the stack of a send that is refused at once shows who called it", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection, maxBufferedMessages: 1 });
  const stopped = await stackOf(sendReport(publisher, queue));
  assertMatch(stopped, /at (async )?sendReport/);
  await publisher.start();
  const first = sendReport(publisher, queue);
  const stack = await stackOf(sendReport(publisher, queue));
  assert(stack.startsWith(PublisherOverflowError.name), stack);
  assertMatch(stack, /at (async )?sendReport/);
  await first;
});

Deno.test("Publisher.flush tells of failed sends after those who await one know of it", async () => {
  await using made = await topology();
  const missing = made.unused();
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  await publisher.start();
  const errors: unknown[] = [];
  for (let count = 0; count < 3; count++) {
    publisher.sendMessageToQueue({ queueName: missing, body: "" })
      .catch((error) => errors.push(error));
  }
  assertEquals(await publisher.flush(), { confirmed: 0, failed: 3 });
  assert(errors.length === 3 && errors.every((error) => error instanceof UnroutableError));
});
