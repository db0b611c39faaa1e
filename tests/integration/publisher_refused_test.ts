/** Messages for which the broker closes the channel: the guilty fail, all others arrive. */

import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { assertStringIncludes } from "@std/assert";
import {
  AccessRefusedError,
  ChannelError,
  ExchangeNotFoundError,
  Publisher,
  PublishError,
} from "../../mod.ts";
import { broker, connectionForTest, evaluate, notOurs } from "../support/broker.ts";
import { topology } from "../support/topology.ts";
import { brokerUser } from "../support/users.ts";
import { startWiretap } from "../support/wiretap.ts";

/** The error of a send that the broker closed the channel for. */
async function refusal(sending: Promise<void>): Promise<PublishError> {
  const error = await assertRejects(() => sending, PublishError);
  assertInstanceOf(error.cause, ChannelError);
  return error;
}

Deno.test("Publisher names a missing exchange, and goes on (23)", async () => {
  await using made = await topology();
  const queue = await made.queue();
  const exchange = made.unused();
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  await publisher.start();
  const error = await refusal(publisher.sendMessage({ exchange, routingKey: "key", body: "" }));
  assertEquals(error.code, "EXCHANGE_NOT_FOUND");
  assertEquals([error.exchange, error.routingKey], [exchange, "key"]);
  assertInstanceOf(error.cause, ExchangeNotFoundError);
  assertEquals(error.cause.exchange, exchange);
  assertStringIncludes(error.message, exchange);
  await publisher.sendMessageToQueue({ queueName: queue, body: "" });
});

for (const kind of ["async", "sync"] as const) {
  Deno.test(`Publisher of kind ${kind} delivers 100 good among 100 to a missing exchange (23)`, async () => {
    await using made = await topology();
    const queue = await made.queue();
    const exchange = made.unused();
    await using wiretap = startWiretap();
    await using connection = connectionForTest(wiretap.address);
    const publisher = new Publisher({ connection, kind });
    // Announced by name, so that it is not printed.
    publisher.addEventListener("channellost", () => {});
    await publisher.start();
    const sends = Array.from(
      { length: 200 },
      (_, index) =>
        index % 2 === 0
          ? publisher.sendMessageToQueue({ queueName: queue, body: `${index}` })
          : publisher.sendMessage({ exchange, body: `${index}` }),
    );
    for (const [index, outcome] of (await Promise.allSettled(sends)).entries()) {
      if (index % 2 === 0) assertEquals(outcome.status, "fulfilled");
      else assertInstanceOf((outcome as PromiseRejectedResult).reason.cause, ExchangeNotFoundError);
    }
    const bodies = (await made.takeAll(queue)).map((message) => Number(message.content.toString()));
    const good = Array.from({ length: 100 }, (_, index) => 2 * index);
    assertEquals([...new Set(bodies)].sort((a, b) => a - b), good);
    // One reopening for all of them, and at most a second copy of each good message.
    assertEquals(wiretap.count("channel.open"), 2);
    assert(bodies.length <= 200, `${bodies.length} copies of 100 messages arrived`);
  });
}

Deno.test("Publisher tells several missing exchanges from a good one", async () => {
  await using made = await topology();
  const good = await made.exchange("fanout");
  const queue = await made.queue();
  await made.channel.bindQueue(queue, good, "");
  const missing = [made.unused(), made.unused(), made.unused()];
  await using connection = connectionForTest();
  const publisher = new Publisher({ connection });
  await publisher.start();
  const exchanges = Array.from({ length: 40 }, (_, i) => i % 4 === 0 ? good : missing[i % 4 - 1]);
  const sends = exchanges.map((exchange) => publisher.sendMessage({ exchange, body: "" }));
  const outcomes = await Promise.allSettled(sends);
  for (const [index, outcome] of outcomes.entries()) {
    const exchange = exchanges[index];
    if (exchange === good) assertEquals(outcome.status, "fulfilled");
    else assertEquals((outcome as PromiseRejectedResult).reason.cause.exchange, exchange);
  }
});

Deno.test("Publisher rejects a message in the name of another user alone", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await using wiretap = startWiretap();
  await using connection = connectionForTest({
    ...wiretap.address,
    reconnect: { initialDelayMs: 10 },
  });
  const publisher = new Publisher({ connection });
  await publisher.start();
  const sends = Array.from({ length: 20 }, (_, index) =>
    publisher.sendMessageToQueue({
      queueName: queue,
      body: `${index}`,
      userId: index === 7 ? "somebody-else" : broker.username,
    }));
  const outcomes = await Promise.allSettled(sends);
  const failed = outcomes.flatMap((one, index) => one.status === "rejected" ? [index] : []);
  assertEquals(failed, [7]);
  const error = await refusal(sends[7]);
  assertEquals((error.cause as ChannelError).replyCode, 406);
  assertStringIncludes(error.message, "somebody-else");
  const bodies = new Set((await made.takeAll(queue)).map((one) => one.content.toString()));
  assertEquals(bodies.size, 19);
  assertEquals(wiretap.count("channel.open"), 3); // The first, the search for it, and after it.
});

Deno.test({
  name: "Publisher rejects what its user may not publish, and delivers the rest (403)",
  ignore: notOurs,
  fn: async () => {
    await using made = await topology();
    const allowed = await made.exchange("fanout");
    const forbidden = await made.exchange("fanout");
    const queue = await made.queue();
    for (const exchange of [allowed, forbidden]) await made.channel.bindQueue(queue, exchange, "");
    await using user = await brokerUser({ write: `^${allowed}$` });
    await using connection = connectionForTest(user.login);
    const publisher = new Publisher({ connection });
    await publisher.start();
    const sends = Array.from(
      { length: 20 },
      (_, index) =>
        publisher.sendMessage({
          exchange: index % 2 === 0 ? allowed : forbidden,
          body: `${index}`,
        }),
    );
    for (const [index, outcome] of (await Promise.allSettled(sends)).entries()) {
      assertEquals(outcome.status, index % 2 === 0 ? "fulfilled" : "rejected");
    }
    const error = await refusal(sends[1]);
    assertInstanceOf(error.cause, AccessRefusedError);
    assertEquals([error.code, error.cause.replyCode], ["ACCESS_REFUSED", 403]);
    assertEquals([error.exchange, error.cause.exchange], [forbidden, forbidden]);
    await user.permit({});
    await publisher.sendMessage({ exchange: forbidden, body: "allowed now" });
    const bodies = (await made.takeAll(queue)).map((message) => message.content.toString());
    assert(!bodies.includes("1"), "A forbidden message arrived");
    assertEquals(bodies.at(-1), "allowed now");
  },
});

Deno.test({
  name: "Publisher rejects a body over the broker's limit alone (26)",
  ignore: notOurs,
  fn: async () => {
    await using made = await topology();
    const queue = await made.queue();
    const limit = "application:get_env(rabbit, max_message_size, undefined)";
    const before = await evaluate(limit);
    const setLimit = (size: string) =>
      evaluate(
        `ok = application:set_env(rabbit, max_message_size, ${size}), ` +
          `persistent_term:put(max_message_size, ${size}).`,
      );
    await setLimit("100000");
    try {
      await using connection = connectionForTest({ reconnect: { initialDelayMs: 10 } });
      const publisher = new Publisher({ connection });
      await publisher.start();
      const sizes = [10, 100_000, 100_001, 20, 150_000, 30];
      const sends = sizes.map((size) =>
        publisher.sendMessageToQueue({ queueName: queue, body: new Uint8Array(size) })
      );
      const outcomes = await Promise.allSettled(sends);
      assertEquals(
        outcomes.map((one) => one.status === "fulfilled"),
        sizes.map((size) => size <= 100_000),
      );
      const error = await refusal(sends[2]);
      assertStringIncludes(error.message, "100001");
      const arrived = (await made.takeAll(queue)).map((message) => message.content.length);
      assertEquals([...new Set(arrived)].sort((a, b) => a - b), [10, 20, 30, 100_000]);
    } finally {
      await setLimit(before);
    }
  },
});
