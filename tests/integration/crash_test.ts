/** Crash rather than drop: what becomes of a program whose message cannot be delivered. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { eventually } from "../support/eventually.ts";
import { program } from "../support/program.ts";
import { topology } from "../support/topology.ts";

/** A program that has started a publisher, and ends with "the end" where nothing stops it. */
function publishing(body: string, options = ""): string {
  return `
    import { Publisher } from "@lapinmq/lapinmq";
    const publisher = new Publisher({ ${options} });
    await publisher.start();
    ${body}
    await publisher.flush();
    await publisher.stop();
    console.log("the end");
  `;
}

async function outcomeOf(source: string) {
  await using running = await program(source);
  const { code } = await running.ended;
  return { code, ...running.output };
}

Deno.test("A program that does not await an unroutable send ends with exit code 1, and says where it should have gone", async () => {
  await using made = await topology();
  const exchange = await made.exchange("topic");
  const { code, stdout, stderr } = await outcomeOf(publishing(`
    publisher.sendMessage({ exchange: "${exchange}", routingKey: "no.such.key", body: "" });
  `));
  assertEquals(code, 1);
  assertStringIncludes(stderr, "UnroutableError");
  assertStringIncludes(stderr, exchange);
  assertStringIncludes(stderr, "no.such.key");
  assert(!stdout.includes("the end"));
});

Deno.test("A program that sends to a queue that is missing ends with exit code 1, and names it", async () => {
  await using made = await topology();
  const queueName = made.unused();
  const { code, stderr } = await outcomeOf(publishing(`
    publisher.sendMessageToQueue({ queueName: "${queueName}", body: "" });
  `));
  assertEquals(code, 1);
  assertStringIncludes(stderr, `queue "${queueName}" (default exchange "", routing key`);
});

Deno.test("A program that does not await a send after stop() ends with exit code 1", async () => {
  const { code, stderr } = await outcomeOf(publishing(`
    await publisher.stop();
    publisher.sendMessageToQueue({ queueName: "any", body: "" });
  `));
  assertEquals(code, 1);
  assertStringIncludes(stderr, "PublisherStoppedError");
});

/** Ways to take a failed send, each of which lets the program go on. */
const TAKEN: Record<string, { body: (send: string) => string; options?: string }> = {
  "awaits and catches": {
    body: (send) => `try { await ${send}); } catch (error) { console.log("failed", error.code); }`,
  },
  "gives a nackCallback": {
    body: (send) =>
      `${send}, callbacks: { nackCallback: (error) => console.log("failed", error.code) } });`,
  },
  "has an onSendFailure": {
    body: (send) => `${send});`,
    options: `onSendFailure: (error) => console.log("failed", error.code)`,
  },
  "gives its sends to Promise.allSettled at once": {
    body: (send) => `
      const outcomes = await Promise.allSettled(Array.from({ length: 3 }, () => ${send})));
      console.log("failed", outcomes[2].reason.code);`,
  },
};

for (const [how, { body, options }] of Object.entries(TAKEN)) {
  Deno.test(`A program that ${how} goes on after a failed send, and exits 0`, async () => {
    await using made = await topology();
    const open = `publisher.sendMessageToQueue({ queueName: "${made.unused()}", body: ""`;
    const source = publishing(body(open).replaceAll(`body: "")`, `body: "" })`), options);
    const { code, stdout, stderr } = await outcomeOf(source);
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    assertStringIncludes(stdout, "failed UNROUTABLE");
    assertStringIncludes(stdout, "the end");
  });
}

Deno.test("A program that publishes and stops ends by itself, although its connection lingers", async () => {
  await using made = await topology();
  const queueName = await made.queue();
  await using running = await program(`
    import { Publisher } from "@lapinmq/lapinmq";
    const publisher = new Publisher();
    await publisher.start();
    await publisher.sendMessageToQueue({ queueName: "${queueName}", body: "" });
    await publisher.stop();
    globalThis.addEventListener("unload", () => {
      console.log(publisher.connection.health().status);
    });
  `);
  const status = await eventually("it ends", () => running.ended);
  assertEquals(status.code, 0);
  // It did not wait for the connection to be closed.
  assertEquals(running.output, { stdout: "up\n", stderr: "" });
  await made.waitForCount(queueName, 1);
});

Deno.test("A program that publishes and never stops goes on running", async () => {
  await using made = await topology();
  const queueName = await made.queue();
  await using running = await program(`
    import { Publisher } from "@lapinmq/lapinmq";
    const publisher = new Publisher();
    await publisher.start();
    await publisher.sendMessageToQueue({ queueName: "${queueName}", body: "first" });
    Deno.unrefTimer(setTimeout(async () => {
      await publisher.sendMessageToQueue({ queueName: "${queueName}", body: "second" });
      await publisher.stop();
    }, 200));
  `);
  assertEquals((await running.ended).code, 0);
  assertEquals((await made.takeAll(queueName)).length, 2);
});
