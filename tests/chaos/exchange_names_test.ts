/** Exchanges that do not exist, or are forbidden, under names that make the broker's words hard to read. */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { ChannelError, Publisher, PublishError } from "../../mod.ts";
import { connectionForTest, evaluate, notOurs } from "../support/broker.ts";
import { topology } from "../support/topology.ts";
import { brokerUser } from "../support/users.ts";
import { QUICK } from "./support.ts";

/** What fits in the broker's words is told apart at once; the others are found by sending one at a time. */
const NAMES = [
  "it's",
  "line\r\nbreak",
  `"quoted"`,
  "é€😀",
  "x".repeat(250),
  "é".repeat(125),
  `x${"😀".repeat(62)}`,
];

/** Sends ten messages, of which the fourth and the eighth go to this exchange, and says what came of them. */
async function sendTen(publisher: Publisher, exchange: string, others: string[]) {
  const targets = Array.from(
    { length: 10 },
    (_, index) => index % 4 === 3 ? exchange : others[index % others.length],
  );
  const sends = targets.map((target, index) =>
    publisher.sendMessage({ exchange: target, routingKey: "key", body: `${index}` })
  );
  return { targets, outcomes: await Promise.allSettled(sends) };
}

/** Those to the exchange fail, each with an error of its own, and all others arrive. */
function assertOnlyThose(
  exchange: string,
  targets: readonly string[],
  outcomes: readonly PromiseSettledResult<void>[],
  bodies: readonly string[],
): void {
  for (const [index, outcome] of outcomes.entries()) {
    if (targets[index] !== exchange) {
      assertEquals(outcome.status, "fulfilled", `${index}`);
      assert(bodies.includes(`${index}`), `${index} did not arrive`);
    } else {
      assert(outcome.status === "rejected", `${index} to ${exchange}`);
      assertInstanceOf(outcome.reason, PublishError);
      assertEquals(outcome.reason.exchange, exchange);
      assert(!bodies.includes(`${index}`));
    }
  }
}

for (const name of NAMES) {
  Deno.test(`74 an exchange that is missing is told apart by a name like ${JSON.stringify(name.slice(0, 9))} (${name.length})`, async () => {
    await using made = await topology();
    const good = await made.exchange("fanout");
    const queue = await made.queue();
    await made.channel.bindQueue(queue, good, "");
    await using connection = connectionForTest({ reconnect: QUICK });
    const publisher = new Publisher({ connection });
    publisher.addEventListener("channellost", () => {});
    await publisher.start();
    const { targets, outcomes } = await sendTen(publisher, name, [good]);
    const bodies = (await made.takeAll(queue)).map(({ content }) => content.toString());
    assertOnlyThose(name, targets, outcomes, bodies);
  });
}

Deno.test("74 an exchange is told apart from one whose name is part of the broker's words about it", async () => {
  await using made = await topology();
  const good = await made.exchange("fanout");
  const queue = await made.queue();
  await made.channel.bindQueue(queue, good, "");
  await using connection = connectionForTest({ reconnect: QUICK });
  const publisher = new Publisher({ connection });
  publisher.addEventListener("channellost", () => {});
  await publisher.start();
  const name = `${good}' in vhost 'other`;
  const { targets, outcomes } = await sendTen(publisher, name, [good]);
  const bodies = (await made.takeAll(queue)).map(({ content }) => content.toString());
  assertOnlyThose(name, targets, outcomes, bodies);
  for (const [index, outcome] of outcomes.entries()) {
    if (targets[index] !== name) continue;
    const { reason } = outcome as PromiseRejectedResult;
    assertEquals([reason.code, reason.cause.method], ["EXCHANGE_NOT_FOUND", "basic.publish"]);
  }
});

Deno.test("74 exchanges that differ only behind what the broker cuts off are told apart", async () => {
  await using made = await topology();
  const good = made.unused().padEnd(249, "x") + "1";
  await made.channel.assertExchange(good, "fanout");
  const queue = await made.queue();
  await made.channel.bindQueue(queue, good, "");
  await using connection = connectionForTest({ reconnect: QUICK });
  const publisher = new Publisher({ connection });
  publisher.addEventListener("channellost", () => {});
  await publisher.start();
  const missing = `${good.slice(0, -1)}2`;
  const { targets, outcomes } = await sendTen(publisher, missing, [good]);
  await made.channel.deleteExchange(good);
  const bodies = (await made.takeAll(queue)).map(({ content }) => content.toString());
  assertOnlyThose(missing, targets, outcomes, bodies);
  const { reason } = outcomes[3] as PromiseRejectedResult;
  assertInstanceOf(reason.cause, ChannelError);
  assertEquals([reason.code, reason.cause.exchange], ["EXCHANGE_NOT_FOUND", undefined]);
});

Deno.test({
  name: "74 what a user may not publish is told apart by exchange, and by routing key of a topic",
  ignore: notOurs,
  fn: async () => {
    await using made = await topology();
    const good = await made.exchange("topic");
    const queue = await made.queue();
    await made.channel.bindQueue(queue, good, "#");
    await using user = await brokerUser({ write: `^${good}$` });
    await using connection = connectionForTest({ ...user.login, reconnect: QUICK });
    const publisher = new Publisher({ connection });
    publisher.addEventListener("channellost", () => {});
    await publisher.start();
    for (const name of ["é€' in vhost '", "x".repeat(250), "é".repeat(125), ""]) {
      const { targets, outcomes } = await sendTen(publisher, name, [good]);
      const bodies = (await made.takeAll(queue)).map(({ content }) => content.toString());
      assertOnlyThose(name, targets, outcomes, bodies);
    }
    await evaluate(
      `rabbit_auth_backend_internal:set_topic_permissions(<<"${user.username}">>, ` +
        `<<"${user.login.vhost}">>, <<"${good}">>, <<"^[0-9]+$">>, <<".*">>, <<"test">>).`,
    );
    for (const forbidden of ["it's \n forbidden", "x".repeat(250), "é".repeat(125)]) {
      const sends = Array.from({ length: 10 }, (_, index) =>
        publisher.sendMessage({
          exchange: good,
          routingKey: index % 4 === 3 ? forbidden : `${index}`,
          body: `${index}`,
        }));
      const outcomes = await Promise.allSettled(sends);
      const failed = outcomes.flatMap(({ status }, index) => status === "rejected" ? [index] : []);
      assertEquals(failed, [3, 7], forbidden);
      const keys = (await made.takeAll(queue)).map(({ fields }) => fields.routingKey);
      assertEquals([...new Set(keys)].sort(), ["0", "1", "2", "4", "5", "6", "8", "9"]);
    }
  },
});
