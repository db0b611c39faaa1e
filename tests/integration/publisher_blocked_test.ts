/** A broker that reads nothing from publishers, as it is low on memory or disk. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ConfirmTimeoutError, Publisher } from "../../mod.ts";
import { connectionForTest, evaluate, notOurs } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { startProxy } from "../support/proxy.ts";
import { topology } from "../support/topology.ts";

/** Raises an alarm as the broker itself does; disposing of it ends it. */
async function alarm(resource: "memory" | "disk") {
  const name = `{resource_limit, ${resource}, node()}`;
  await evaluate(`rabbit_alarm:set_alarm({${name}, []}).`);
  const clear = async () => void await evaluate(`rabbit_alarm:clear_alarm(${name}).`);
  return { clear, [Symbol.asyncDispose]: clear };
}

/**
 * Sends until the broker has blocked the connection: it does so when a message comes, which it may
 * still take. Returns the reason, and how many were sent.
 */
async function untilBlocked(publisher: Publisher, queueName: string) {
  const reasons: string[] = [];
  publisher.connection.addEventListener("blocked", ({ detail }) => reasons.push(detail.reason));
  let sent = 0;
  await eventually("it is blocked", () => {
    if (reasons.length > 0) return true;
    sent++;
    void publisher.sendMessageToQueue({ queueName, body: `${sent}` });
  });
  return { reason: reasons[0], sent };
}

for (const [resource, mode] of [["memory", 15], ["disk", 16]] as const) {
  Deno.test({
    name:
      `Publisher waits while the broker is low on ${resource}, and sends when that is over (${mode})`,
    ignore: notOurs,
    fn: async () => {
      await using made = await topology();
      const queueName = await made.queue();
      await using connection = connectionForTest();
      const publisher = new Publisher({ connection });
      await publisher.start();
      await using low = await alarm(resource);
      const { reason, sent } = await untilBlocked(publisher, queueName);
      assertStringIncludes(reason, resource);
      assertEquals(publisher.health().status, "blocked");
      let isConfirmed = false;
      const sending = publisher.sendMessageToQueue({ queueName, body: "last" })
        .then(() => isConfirmed = true);
      assert(await made.count(queueName) <= sent);
      assertEquals(isConfirmed, false);
      await low.clear();
      await sending;
      assertEquals(publisher.health().status, "up");
      const bodies = (await made.takeAll(queueName)).map((one) => one.content.toString());
      assertEquals(bodies, [...Array.from({ length: sent }, (_, i) => `${i + 1}`), "last"]);
    },
  });
}

Deno.test({
  name:
    "Publisher says that it is blocked, and why, when a send times out or it is stopped (15, 17)",
  ignore: notOurs,
  fn: async () => {
    await using made = await topology();
    const queueName = await made.queue();
    await using connection = connectionForTest();
    const patient = new Publisher({ connection, onSendFailure: () => {} });
    const hasty = new Publisher({ connection, sendTimeoutMs: 100 });
    await Promise.all([patient.start(), hasty.start()]);
    await using _ = await alarm("memory");
    await untilBlocked(patient, queueName);
    const error = await assertRejects(
      () => hasty.sendMessageToQueue({ queueName, body: "" }),
      ConfirmTimeoutError,
    );
    assertStringIncludes(error.message, "blocked by the broker");
    assertStringIncludes(error.message, "memory");
    assertEquals(error.written, false);
    void patient.sendMessageToQueue({ queueName, body: "", messageId: "not sent" });
    const { unsent } = await patient.stop({ timeoutMs: 0 });
    assertEquals(unsent.map((one) => one.messageId), ["not sent"]);
    await hasty.stop({ timeoutMs: 0 });
  },
});

Deno.test({
  name: "Publisher forgets that it was blocked when the connection is lost (18)",
  ignore: notOurs,
  fn: async () => {
    await using made = await topology();
    const queueName = await made.queue();
    await using proxy = startProxy();
    await using connection = connectionForTest({
      hostname: proxy.hostname,
      port: proxy.port,
      reconnect: { initialDelayMs: 10, maxDelayMs: 50 },
    });
    const publisher = new Publisher({ connection });
    await publisher.start();
    await using low = await alarm("memory");
    await untilBlocked(publisher, queueName);
    const sending = publisher.sendMessageToQueue({ queueName, body: "last" });
    proxy.refuse();
    proxy.cut();
    await eventually("the loss is noticed", () => publisher.health().status === "recovering");
    await low.clear();
    proxy.listen();
    await sending;
    assertEquals(publisher.health().status, "up");
  },
});
