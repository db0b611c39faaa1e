import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertNotStrictEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { copyBody } from "../src/body_store.ts";
import {
  AccessRefusedError,
  AuthenticationError,
  ChannelError,
  ConfigurationError,
  ConnectionError,
  ExchangeNotFoundError,
} from "../src/errors.ts";
import {
  ConfirmTimeoutError,
  ConnectionLostError,
  NackedError,
  PublisherOverflowError,
  PublishError,
  PublisherStoppedError,
  SendAbortedError,
  UnroutableError,
} from "../src/publish_errors.ts";
import { eventually } from "./support/eventually.ts";
import { outboxForTest } from "./support/outbox_for_test.ts";
import { usedMemory } from "./support/used_memory.ts";
import { frozen } from "./support/scripted_driver.ts";

/** Lets everything run that waits for nothing but its turn. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await null;
}

Deno.test("Outbox writes no more than its window, and goes on with each confirm", async () => {
  await using made = outboxForTest({ maxInFlight: 2 });
  await made.start();
  const channel = await made.channel();
  const sends = ["a", "b", "c", "d"].map((body) => made.send(body));
  assertEquals(channel.bodies, ["a", "b"]);
  channel.confirm(1);
  assertEquals(channel.bodies, ["a", "b", "c"]);
  channel.confirm(3, true);
  assertEquals(channel.bodies, ["a", "b", "c", "d"]);
  channel.confirm(4);
  assertEquals(await Promise.all(sends.map(({ outcome }) => outcome)), Array(4).fill(undefined));
});

Deno.test("Outbox of kind sync has one message in flight, whoever sends", async () => {
  await using made = outboxForTest({ kind: "sync" });
  await made.start();
  const channel = await made.channel();
  for (let index = 1; index <= 5; index++) made.send(`${index}`);
  for (let tag = 1; tag <= 5; tag++) {
    assertEquals(channel.published.length, tag);
    channel.confirm(tag);
  }
});

Deno.test("Outbox has something to do while a send is open, and counts what was sent", async () => {
  await using made = outboxForTest();
  await made.start();
  const channel = await made.channel();
  const before = made.outbox.activity();
  assertEquals([before.quiet, before.count], [true, 0]);
  const { outcome } = made.send("a");
  assertEquals([made.outbox.activity().quiet, made.outbox.activity().count], [false, 1]);
  channel.confirm(1);
  await outcome;
  assertEquals(made.outbox.activity(), { ...before, count: 1 });
});

for (const [kind, maxInFlight] of [["sync", undefined], ["async", 3]] as const) {
  Deno.test(`Outbox of kind ${kind} takes a fresh channel when overdue confirms fill its window`, async () => {
    await using made = outboxForTest({ kind, maxInFlight, sendTimeoutMs: 500 });
    await made.start();
    const channel = await made.channel();
    const overdue = Array.from({ length: maxInFlight ?? 1 }, (_, index) => made.send(`${index}`));
    const first = await made.send("waits").outcome;
    assertInstanceOf(first, ConfirmTimeoutError);
    for (const { outcome } of overdue) assertInstanceOf(await outcome, ConfirmTimeoutError);
    const fresh = await made.channel(channel);
    const next = made.send("next");
    channel.confirm(1, true); // Too late, and on a channel that is gone.
    await eventually("it is written", () => fresh.bodies.includes("next"));
    fresh.confirm(fresh.bodies.length, true);
    assertEquals(await next.outcome, undefined);
    assert(made.lost[0][0].includes("confirmed none"), made.lost[0][0]);
  });
}

Deno.test("Outbox keeps its channel while a message in flight may still be confirmed", async () => {
  await using made = outboxForTest({ maxInFlight: 3, sendTimeoutMs: 100 });
  await made.start();
  const channel = await made.channel();
  const overdue = [made.send("a"), made.send("b")];
  for (const { outcome } of overdue) assertInstanceOf(await outcome, ConfirmTimeoutError);
  const late = made.send("c");
  assertEquals([channel.bodies, made.lost], [["a", "b", "c"], []]);
  channel.confirm(3);
  assertEquals([await late.outcome, made.lost], [undefined, []]);
});

Deno.test("Outbox settles each send by its own confirm, in whatever order they come", async () => {
  await using made = outboxForTest();
  await made.start();
  const channel = await made.channel();
  const sends = ["a", "b", "c", "d", "e"].map((body) => made.send(body));
  channel.confirm(4);
  channel.confirm(2, false, false);
  await turns();
  assertEquals(sends.map(({ settled }) => settled), [false, true, false, true, false]);
  channel.confirm(5, true);
  channel.confirm(5, true);
  channel.confirm(99);
  const outcomes = await Promise.all(sends.map(({ outcome }) => outcome));
  assertEquals(outcomes.map((error) => error?.constructor), [
    undefined,
    NackedError,
    undefined,
    undefined,
    undefined,
  ]);
  assertEquals(await made.outbox.flush(), { confirmed: 4, failed: 1 });
});

Deno.test("Outbox rejects all that a multiple nack speaks of", async () => {
  await using made = outboxForTest();
  await made.start();
  const channel = await made.channel();
  const sends = ["a", "b", "c"].map((body) => made.send(body));
  channel.confirm(2, true, false);
  channel.confirm(3);
  assertInstanceOf(await sends[0].outcome, NackedError);
  assertInstanceOf(await sends[1].outcome, NackedError);
  assertEquals(await sends[2].outcome, undefined);
});

Deno.test("Outbox rejects a returned message alone, also within a multiple confirm", async () => {
  await using made = outboxForTest();
  await made.start();
  const channel = await made.channel();
  const sends = ["a", "b", "c"].map((body) => made.send(body));
  channel.return(2);
  await turns();
  // The outcome is that of the confirm, which follows.
  assertEquals(sends[1].settled, false);
  channel.confirm(3, true);
  const outcomes = await Promise.all(sends.map(({ outcome }) => outcome));
  assertEquals(outcomes.map((error) => error?.constructor), [
    undefined,
    UnroutableError,
    undefined,
  ]);
});

Deno.test("Outbox matches a return first in, first out where ids repeat", async () => {
  await using made = outboxForTest();
  await made.start();
  const channel = await made.channel();
  const options = { messageId: "same" };
  const sends = ["a", "b"].map((body) => made.send(body, options));
  const elsewhere = made.send("c", { ...options, routingKey: "other" });
  channel.return(3);
  channel.return(1);
  channel.confirm(3, true);
  assertInstanceOf(await sends[0].outcome, UnroutableError);
  assertEquals(await sends[1].outcome, undefined);
  assertInstanceOf(await elsewhere.outcome, UnroutableError);
});

Deno.test("Outbox sends again what was unconfirmed, with its id and in its order", async () => {
  await using made = outboxForTest({ maxInFlight: 3 });
  await made.start();
  const first = await made.channel();
  const sends = ["a", "b", "c", "d"].map((body) => made.send(body));
  first.confirm(2);
  first.connection.lose();
  sends.push(made.send("e"));
  const second = await made.channel(first);
  assertEquals(second.bodies, ["a", "c", "d"]);
  assertEquals(
    second.published.map(({ properties }) => properties.messageId),
    ["id-1", "id-3", "id-4"],
  );
  second.confirm(3, true);
  second.confirm(4);
  assertEquals(await Promise.all(sends.map(({ outcome }) => outcome)), Array(5).fill(undefined));
  assertEquals(made.lost, [["The test cut the connection", 3]]);
});

Deno.test("Outbox ignores every confirm or return of a channel that is gone", async () => {
  await using made = outboxForTest();
  await made.start();
  const first = await made.channel();
  const send = made.send("a");
  first.connection.lose();
  const second = await made.channel(first);
  first.return(1);
  first.confirm(1);
  first.confirm(1, true, false);
  await turns();
  assertEquals(send.settled, false);
  second.confirm(1);
  assertEquals(await send.outcome, undefined);
});

Deno.test("Outbox takes nothing over from a return that the broker did not confirm", async () => {
  await using made = outboxForTest();
  await made.start();
  const first = await made.channel();
  const send = made.send("a");
  first.return(1);
  first.connection.lose();
  const second = await made.channel(first);
  second.confirm(1); // Routable by now.
  assertEquals(await send.outcome, undefined);
});

Deno.test("Outbox rejects what was in flight where onConnectionLoss is reject", async () => {
  await using made = outboxForTest({ maxInFlight: 1, onConnectionLoss: "reject" });
  await made.start();
  const first = await made.channel();
  const inFlight = made.send("a");
  const waiting = made.send("b");
  first.connection.lose();
  assertInstanceOf(await inFlight.outcome, ConnectionLostError);
  const second = await made.channel(first);
  assertEquals(second.bodies, ["b"]);
  second.confirm(1);
  assertEquals(await waiting.outcome, undefined);
});

Deno.test("Outbox rejects all sends to a missing exchange at once, and no other", async () => {
  await using made = outboxForTest({ maxInFlight: 4 });
  await made.start();
  const first = await made.channel();
  const toMissing = { exchange: "missing" };
  const good = [made.send("a")];
  const bad = [made.send("b", toMissing), made.send("c", toMissing)];
  good.push(made.send("d"));
  bad.push(made.send("e", toMissing)); // Still waits for room in the window.
  const replyText = "NOT_FOUND - no exchange 'missing' in vhost '/'";
  first.lose(new ExchangeNotFoundError("no exchange 'missing'", { replyText }));
  for (const { outcome } of bad) {
    const error = await outcome;
    assertInstanceOf(error, PublishError);
    assertEquals([error.exchange, error.code], ["missing", "EXCHANGE_NOT_FOUND"]);
    assertInstanceOf(error.cause, ExchangeNotFoundError);
  }
  const second = await made.channel(first);
  assertEquals(second.bodies, ["a", "d"]);
  second.confirm(2, true);
  for (const { outcome } of good) assertEquals(await outcome, undefined);
  assertEquals(made.link.driver.channels.length, 2);
});

Deno.test("Outbox finds unnamed culprits by sending one at a time, and loses no other", async () => {
  const refusal = new AccessRefusedError("not allowed");
  await using made = outboxForTest({}, {
    publish: (channel, tag, { body }) =>
      queueMicrotask(() => {
        if (!channel.open) return;
        if (new TextDecoder().decode(body).startsWith("bad")) channel.lose(refusal);
        else channel.confirm(tag);
      }),
  });
  await made.start();
  const bodies = ["a", "b", "bad 1", "c", "bad 2", "d"];
  const sends = bodies.map((body) => made.send(body));
  const outcomes = await Promise.all(sends.map(({ outcome }) => outcome));
  assertEquals(
    outcomes.map((error) => (error as PublishError | undefined)?.cause),
    [undefined, undefined, refusal, undefined, refusal, undefined],
  );
  const channel = await made.channel();
  for (const body of ["e", "f", "g"]) made.send(body);
  // No longer one at a time: what was in doubt is settled.
  assertEquals(channel.bodies.slice(-3), ["e", "f", "g"]);
});

Deno.test("Outbox rejects a body over the broker's limit by its size", async () => {
  await using made = outboxForTest();
  await made.start();
  const first = await made.channel();
  const small = made.send("small");
  const large = made.send("large".repeat(100));
  first.lose(
    new ChannelError(
      "PRECONDITION_FAILED - message size 500 is larger than configured max size 100",
    ),
  );
  assertInstanceOf(await large.outcome, PublishError);
  const second = await made.channel(first);
  assertEquals(second.bodies, ["small"]);
  second.confirm(1);
  assertEquals(await small.outcome, undefined);
});

Deno.test("Outbox rejects alone what cannot be written", async () => {
  await using made = outboxForTest({}, {
    publish: (_channel, _tag, { body }) => {
      if (body.length === 3) throw new ConfigurationError("Cannot write this message");
    },
  });
  await made.start();
  const channel = await made.channel();
  const good = [made.send("a"), made.send("b")];
  const bad = made.send("bad");
  const last = made.send("c");
  const error = await bad.outcome;
  assertInstanceOf(error, PublishError);
  assertInstanceOf(error.cause, ConfigurationError);
  channel.confirm(3, true);
  for (const { outcome } of [...good, last]) assertEquals(await outcome, undefined);
});

Deno.test("Outbox keeps a send that a channel did not take, for the next one", async () => {
  let broken = true;
  await using made = outboxForTest({}, {
    publish: () => {
      if (broken) throw new ConnectionError("The channel is just closing");
    },
  });
  await made.start();
  const first = await made.channel();
  const send = made.send("a");
  assertEquals(send.settled, false);
  broken = false;
  first.lose(new ConnectionError("closed"));
  const second = await made.channel(first);
  assertEquals(second.bodies, ["a"]);
  second.confirm(1);
  assertEquals(await send.outcome, undefined);
});

Deno.test("Outbox ends a send that is never confirmed, and says that its outcome is unknown", async () => {
  await using made = outboxForTest({ sendTimeoutMs: 30 });
  await made.start();
  const channel = await made.channel();
  const send = made.send("a");
  const error = await send.outcome;
  assertInstanceOf(error, ConfirmTimeoutError);
  assertEquals(error.written, true);
  // Late words of the broker change nothing.
  channel.return(1);
  channel.confirm(1);
  assertEquals(await made.outbox.flush(), { confirmed: 0, failed: 1 });
});

Deno.test("Outbox does not send again what has expired", async () => {
  await using made = outboxForTest({ sendTimeoutMs: 500 });
  await made.start();
  const first = await made.channel();
  assertInstanceOf(await made.send("expired").outcome, ConfirmTimeoutError);
  const alive = made.send("alive");
  first.connection.lose();
  const second = await made.channel(first);
  assertEquals(second.bodies, ["alive"]);
  second.confirm(1);
  assertEquals(await alive.outcome, undefined);
});

Deno.test("Outbox ends a send that could not be written, and says why", async () => {
  let refuse = false;
  await using made = outboxForTest({ sendTimeoutMs: 60 }, {
    connect: () => {
      if (refuse) throw new ConnectionError("nothing listens there");
    },
  });
  await made.start();
  const channel = await made.channel();
  refuse = true;
  channel.connection.lose();
  const error = await made.send("a").outcome;
  assertInstanceOf(error, ConfirmTimeoutError);
  assertEquals(error.written, false);
  assert(error.message.includes("disconnected since"), error.message);
});

Deno.test("Outbox writes nothing while it is blocked, and goes on after", async () => {
  await using made = outboxForTest();
  await made.start();
  const channel = await made.channel();
  channel.connection.events.blocked("low on memory");
  const send = made.send("a");
  assertEquals(channel.bodies, []);
  assertEquals(made.outbox.health().status, "blocked");
  channel.connection.events.unblocked();
  assertEquals(channel.bodies, ["a"]);
  channel.confirm(1);
  assertEquals(await send.outcome, undefined);
});

Deno.test("Outbox says that a send expired because it was blocked (failure mode 15)", async () => {
  await using made = outboxForTest({ sendTimeoutMs: 30 });
  await made.start();
  const channel = await made.channel();
  channel.connection.events.blocked("low on memory");
  const error = await made.send("a").outcome;
  assertInstanceOf(error, ConfirmTimeoutError);
  assert(error.message.includes("blocked by the broker: low on memory"), error.message);
  assertEquals(error.written, false);
});

Deno.test("Outbox.stop while blocked lists what was not sent (failure mode 17)", async () => {
  await using made = outboxForTest();
  await made.start();
  const channel = await made.channel();
  const written = made.send("written");
  channel.connection.events.blocked("low on memory");
  const waiting = made.send("waiting", { headers: { a: 1 } });
  const { unsent, unknown } = await made.outbox.stop(20);
  assertEquals(unsent.map(({ messageId, headers }) => [messageId, headers]), [["id-2", { a: 1 }]]);
  assertEquals(unknown.map(({ body }) => new TextDecoder().decode(body)), ["written"]);
  assertInstanceOf(await written.outcome, PublisherStoppedError);
  assertInstanceOf(await waiting.outcome, PublisherStoppedError);
});

Deno.test("Outbox hands failed messages back in memory of their own", async () => {
  const bodies: Uint8Array[] = [];
  await using made = outboxForTest({ onSendFailure: (_error, { body }) => void bodies.push(body) });
  await made.start();
  const channel = await made.channel();
  made.send("refused");
  channel.confirm(1, false, false);
  made.send("given up");
  const { unknown } = await made.outbox.stop(0);
  bodies.push(...unknown.map(({ body }) => body));
  assertEquals(bodies.map(({ buffer }) => new TextDecoder().decode(buffer as ArrayBuffer)), [
    "refused",
    "given up",
    "given up",
  ]);
});

Deno.test("Outbox uses the memory of a large message again once it is confirmed, and of no other", async () => {
  const written: { text: string; buffer: ArrayBufferLike }[] = [];
  await using made = outboxForTest({ onSendFailure: () => {} }, {
    publish: (_channel, _tag, { body }) => {
      written.push({ text: new TextDecoder().decode(body.subarray(0, 1)), buffer: body.buffer });
    },
  });
  await made.start();
  const send = (text: string) => {
    const { length } = written;
    made.send("", { body: new Uint8Array(100_000).fill(text.charCodeAt(0)) });
    return written[length].buffer;
  };
  let channel = await made.channel();
  const confirmed = send("a");
  channel.confirm(1);
  const refused = send("b");
  assertStrictEquals(refused, confirmed);
  channel.confirm(2, false, false);
  const returned = send("c");
  assertNotStrictEquals(returned, refused);
  channel.return(3);
  channel.confirm(3);
  const lost = send("d");
  assertNotStrictEquals(lost, returned);
  const before = channel;
  channel.lose(new ConnectionError("gone"));
  channel = await made.channel(before);
  await eventually("it is written again", () => written.length === 5);
  assertEquals(written[4], { text: "d", buffer: lost });
  // What writes to the channel of before may still read from it.
  channel.confirm(1);
  assertNotStrictEquals(send("e"), lost);
  channel.confirm(2);
});

Deno.test("Outbox does not use the memory of a confirmed message that the socket still reads from", async () => {
  await using made = outboxForTest();
  await made.start();
  const channel = await made.channel();
  const send = (fill: number) => {
    made.send("", { body: new Uint8Array(100_000).fill(fill) });
    return channel.published[channel.published.length - 1].body;
  };
  const slow = send(1);
  channel.lent.add(slow);
  channel.confirm(1);
  assertNotStrictEquals(send(2).buffer, slow.buffer);
  assertEquals(slow, new Uint8Array(100_000).fill(1));
});

Deno.test("Outbox hands out a copy of what was written, and the very memory of what was not", async () => {
  const failed: Uint8Array[] = [];
  await using made = outboxForTest({
    maxInFlight: 1,
    onSendFailure: (_error, { body }) => void failed.push(body),
  });
  await made.start();
  const channel = await made.channel();
  const body = new Uint8Array(100_000).fill(1);
  for (let count = 0; count < 2; count++) made.send("", { body });
  const { unknown, unsent } = await made.outbox.stop(0);
  for (const handedOut of [...failed, unknown[0].body, unsent[0].body]) handedOut.fill(2);
  assertEquals([failed.length, unknown.length, unsent.length], [2, 1, 1]);
  assertEquals(channel.published[0].body, body);
});

Deno.test("Outbox does not use the memory of a message again that was handed back while it was confirmed", async () => {
  const handedBack: Uint8Array[] = [];
  await using made = outboxForTest({
    onSendFailure: (_error, { body }) => void handedBack.push(body),
  });
  await made.start();
  const channel = await made.channel();
  made.send("a", {}, { ackCallback: () => made.outbox.abandon("the test gave it up", false) });
  made.send("", { body: new Uint8Array(100_000) });
  channel.confirm(2, true);
  assertEquals(handedBack.length, 1);
  assertNotStrictEquals(copyBody(new Uint8Array(100_000)).buffer, handedBack[0].buffer);
});

Deno.test("Outbox.stop waits for confirms, then closes its channel", async () => {
  await using made = outboxForTest();
  await made.start();
  const channel = await made.channel();
  const send = made.send("a");
  const stopped = made.outbox.stop(10_000);
  await turns();
  assertEquals(channel.calls, []);
  channel.confirm(1);
  assertEquals(await stopped, { unsent: [], unknown: [] });
  assertEquals(await send.outcome, undefined);
  assertEquals(channel.calls, ["close"]);
});

Deno.test("Outbox.stop ends in time although the broker answers nothing", async () => {
  await using made = outboxForTest({}, { call: frozen, closeConnection: frozen });
  await made.start();
  const send = made.send("a");
  const { unknown } = await made.outbox.stop(20);
  assertEquals(unknown.length, 1);
  assertInstanceOf(await send.outcome, PublisherStoppedError);
});

Deno.test("Outbox refuses what would exceed maxBufferedMessages or maxBufferedBytes", async () => {
  await using made = outboxForTest({ maxBufferedMessages: 3, maxBufferedBytes: 10 });
  await made.start();
  const channel = await made.channel();
  const sends = ["12345", "1234"].map((body) => made.send(body));
  const tooLarge = await made.send("12").outcome;
  assertInstanceOf(tooLarge, PublisherOverflowError);
  assert(tooLarge.message.includes("maxBufferedBytes (10)"));
  sends.push(made.send("1"));
  const tooMany = await made.send("").outcome;
  assertInstanceOf(tooMany, PublisherOverflowError);
  assert(tooMany.message.includes("maxBufferedMessages (3)"));
  channel.confirm(3, true);
  // A single message is taken whatever its size.
  const huge = made.send("x".repeat(1_000));
  channel.confirm(4);
  assertEquals(await huge.outcome, undefined);
});

Deno.test("Outbox.ready waits for room, and rejects when the publisher stops", async () => {
  await using made = outboxForTest({ maxInFlight: 1 });
  await made.start();
  const channel = await made.channel();
  await made.outbox.ready;
  made.send("a");
  let ready = false;
  void made.outbox.ready.then(() => ready = true);
  await turns();
  assertEquals(ready, false);
  channel.confirm(1);
  await turns();
  assertEquals(ready, true);
  made.send("b");
  const waiting = made.outbox.ready;
  await made.outbox.stop(0);
  await assertRejects(() => waiting, Error, "stopped");
});

Deno.test("Outbox.flush counts what was sent before it, and not what follows", async () => {
  await using made = outboxForTest();
  await made.start();
  const channel = await made.channel();
  assertEquals(await made.outbox.flush(), { confirmed: 0, failed: 0 });
  made.send("a");
  made.send("b");
  const flushed = made.outbox.flush();
  made.send("c");
  channel.confirm(1);
  channel.confirm(2, false, false);
  assertEquals(await flushed, { confirmed: 1, failed: 1 });
});

Deno.test("Outbox calls each callback once, the ackCallback before the promise resolves", async () => {
  await using made = outboxForTest();
  await made.start();
  const channel = await made.channel();
  const calls: string[] = [];
  const callbacks = (name: string) => ({
    ackCallback: () => void calls.push(`${name} ack`),
    nackCallback: (error: Error) => void calls.push(`${name} ${error.constructor.name}`),
  });
  const good = made.send("a", {}, callbacks("a"));
  const bad = made.send("b", {}, callbacks("b"));
  channel.confirm(1);
  channel.confirm(2, false, false);
  channel.confirm(2, true);
  assertEquals(calls, ["a ack", "b NackedError"]);
  await Promise.all([good.outcome, bad.outcome]);
  channel.connection.lose();
  await made.outbox.stop(0);
  assertEquals(calls.length, 2);
});

Deno.test("Outbox survives callbacks that throw in the midst of a multiple confirm", async () => {
  await using made = outboxForTest();
  await made.start();
  const channel = await made.channel();
  const ackCallback = () => {
    throw new Error("from the callback");
  };
  const sends = ["a", "b", "c"].map((body) => made.send(body, {}, { ackCallback }));
  channel.confirm(3, true);
  assertEquals(await Promise.all(sends.map(({ outcome }) => outcome)), Array(3).fill(undefined));
  assertEquals(made.thrown.length, 3);
});

Deno.test("Outbox survives callbacks that send again in the midst of a multiple confirm", async () => {
  await using made = outboxForTest({ maxInFlight: 3 });
  await made.start();
  const channel = await made.channel();
  for (const body of ["a", "b", "c"]) {
    made.send(body, {}, { ackCallback: () => void made.send(`${body} again`) });
  }
  channel.confirm(3, true);
  assertEquals(channel.bodies, ["a", "b", "c", "a again", "b again", "c again"]);
  channel.confirm(6, true);
  assertEquals(await made.outbox.flush(), { confirmed: 6, failed: 0 });
});

Deno.test("Outbox survives a callback that stops it", async () => {
  await using made = outboxForTest();
  await made.start();
  const channel = await made.channel();
  let stopped: Promise<unknown> | undefined;
  const sends = [
    made.send("a", {}, { ackCallback: () => stopped = made.outbox.stop(0) }),
    made.send("b"),
    made.send("c"),
  ];
  channel.confirm(2, true);
  await stopped;
  const outcomes = await Promise.all(sends.map(({ outcome }) => outcome));
  assertEquals(outcomes.slice(0, 2), [undefined, undefined]);
  assertInstanceOf(outcomes[2], PublisherStoppedError);
});

Deno.test("Outbox withdraws what is not written when its signal aborts, and writes all others", async () => {
  await using made = outboxForTest({ maxInFlight: 1 });
  await made.start();
  const channel = await made.channel();
  const controller = new AbortController();
  const { signal } = controller;
  const sends = ["a", "b", "c", "d"].map((body, index) =>
    made.send(body, index % 2 === 0 ? { signal } : {})
  );
  controller.abort("changed my mind");
  const error = await sends[2].outcome;
  assertInstanceOf(error, SendAbortedError);
  assertEquals([error.code, error.cause, error.mayHaveArrived], [
    "SEND_ABORTED",
    "changed my mind",
    false,
  ]);
  const late = await made.send("late", { signal }).outcome;
  assertInstanceOf(late, SendAbortedError);
  for (let tag = 1; tag <= 3; tag++) channel.confirm(tag);
  // The first was written already: its outcome is that of the broker.
  assertEquals(await Promise.all([0, 1, 3].map((index) => sends[index].outcome)), [
    undefined,
    undefined,
    undefined,
  ]);
  assertEquals(channel.bodies, ["a", "b", "d"]);
  assertEquals(await made.outbox.flush(), { confirmed: 3, failed: 2 });
});

Deno.test("Outbox sends again what was written, although its signal has aborted", async () => {
  await using made = outboxForTest();
  await made.start();
  const channel = await made.channel();
  const controller = new AbortController();
  const send = made.send("a", { signal: controller.signal });
  channel.connection.lose();
  controller.abort();
  const next = await made.channel(channel);
  await eventually("it is written again", () => next.bodies.length === 1);
  next.confirm(1);
  assertEquals(await send.outcome, undefined);
});

Deno.test("Outbox leaves nothing on a signal whose sends are settled", async () => {
  await using made = outboxForTest();
  await made.start();
  const channel = await made.channel();
  const { signal } = new AbortController();
  let listeners = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listeners++;
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listeners--;
    removeEventListener.apply(signal, args);
  };
  const sends = ["a", "b"].map((body) => made.send(body, { signal }));
  assertEquals(listeners, 2);
  channel.confirm(1);
  channel.confirm(2, false, false);
  await Promise.all(sends.map(({ outcome }) => outcome));
  assertEquals(listeners, 0);
});

Deno.test("Outbox ends each send at its own time, in whatever order that is", async () => {
  await using made = outboxForTest({ maxInFlight: 2, sendTimeoutMs: 100 });
  await made.start();
  const channel = await made.channel();
  const settled: string[] = [];
  const send = (body: string, sendTimeoutMs?: number) => {
    const sent = made.send(body, { sendTimeoutMs });
    void sent.outcome.then(() => settled.push(body));
    return sent;
  };
  const long = send("long", 600_000);
  const usual = send("usual");
  const short = send("short", 1);
  const error = await short.outcome;
  assertInstanceOf(error, ConfirmTimeoutError);
  assertEquals([error.written, error.mayHaveArrived], [false, false]);
  assert(error.message.includes("within 1 ms"), error.message);
  const late = await usual.outcome;
  assertInstanceOf(late, ConfirmTimeoutError);
  assertEquals([late.written, late.mayHaveArrived], [true, true]);
  channel.confirm(1);
  assertEquals(await long.outcome, undefined);
  assertEquals(settled, ["short", "usual", "long"]);
  assertEquals(channel.bodies, ["long", "usual"]);
});

Deno.test("Outbox does not give its channel up for a send that wanted to wait for less", async () => {
  await using made = outboxForTest({ kind: "sync" });
  await made.start();
  const channel = await made.channel();
  for (let count = 0; count < 3; count++) {
    assertInstanceOf(await made.send("x", { sendTimeoutMs: 1 }).outcome, ConfirmTimeoutError);
  }
  const next = made.send("next");
  channel.confirm(1);
  channel.confirm(2);
  assertEquals([await next.outcome, channel.bodies], [undefined, ["x", "next"]]);
});

Deno.test("Outbox keeps nothing of what is withdrawn behind a send that waits", async () => {
  await using made = outboxForTest({ maxInFlight: 1 });
  await made.start();
  const channel = await made.channel();
  made.send("in flight");
  made.send("waits");
  const before = usedMemory();
  for (let count = 0; count < 1_000; count++) {
    const controller = new AbortController();
    void made.send("", { body: new Uint8Array(100_000), signal: controller.signal });
    controller.abort();
  }
  await turns();
  const grown = usedMemory() - before;
  assert(grown < 30_000_000, `${grown} bytes are kept`);
  channel.confirm(1);
  assertEquals(channel.bodies, ["in flight", "waits"]);
  channel.confirm(2);
});

Deno.test("Outbox counts headers and properties as bytes", async () => {
  for (
    const options of [{ headers: { text: "x".repeat(995) } }, { correlationId: "c".repeat(250) }]
  ) {
    await using made = outboxForTest({ maxBufferedBytes: 10_000 });
    await made.start();
    const sends = Array.from({ length: 100 }, () => made.send("", options));
    const channel = await made.channel();
    channel.confirm(100, true);
    const outcomes = await Promise.all(sends.map(({ outcome }) => outcome));
    const taken = outcomes.filter((outcome) => outcome === undefined).length;
    assertEquals(taken, "headers" in options ? 9 : 40);
  }
});

Deno.test("Outbox says which failed messages may have arrived, and which have not for sure", async () => {
  await using made = outboxForTest({ maxInFlight: 5 });
  await made.start();
  const first = await made.channel();
  const mayHaveArrived = async ({ outcome }: { outcome: Promise<Error | undefined> }) => {
    const error = await outcome;
    assertInstanceOf(error, PublishError);
    return [error.code, error.mayHaveArrived];
  };
  const nacked = made.send("a");
  const returned = made.send("b");
  first.confirm(1, false, false);
  first.return(2);
  first.confirm(2);
  const again = made.send("c");
  first.connection.lose();
  const second = await made.channel(first);
  await eventually("it is written again", () => second.bodies.length === 1);
  second.confirm(1, false, false);
  assertEquals(await mayHaveArrived(nacked), ["NACKED", false]);
  assertEquals(await mayHaveArrived(returned), ["UNROUTABLE", false]);
  assertEquals(await mayHaveArrived(again), ["NACKED", true]); // Of its first copy nobody knows.
  // The exchange may have been there for the first of them.
  const missing = ["a", "b", "c"].map((body) => made.send(body, { exchange: "missing" }));
  const replyText = "NOT_FOUND - no exchange 'missing' in vhost '/'";
  second.lose(new ExchangeNotFoundError("missing", { replyText, replyCode: 404 }));
  assertEquals(await Promise.all(missing.map(mayHaveArrived)), [
    ["EXCHANGE_NOT_FOUND", true],
    ["EXCHANGE_NOT_FOUND", true],
    ["EXCHANGE_NOT_FOUND", false],
  ]);
  await made.channel(second);
  const sends = ["a", "b", "c", "d", "e", "f"].map((body) => made.send(body));
  await made.outbox.stop(0);
  assertEquals(await Promise.all(sends.map(mayHaveArrived)), [
    ...Array(5).fill(["PUBLISHER_STOPPED", true]),
    ["PUBLISHER_STOPPED", false],
  ]);
});

Deno.test("Outbox gives what failed without a nackCallback to onSendFailure", async () => {
  const failures: string[] = [];
  await using made = outboxForTest({
    onSendFailure: (error, { routingKey, body }) =>
      void failures.push(`${error.code} ${routingKey} ${new TextDecoder().decode(body)}`),
  });
  await made.start();
  const channel = await made.channel();
  made.send("a");
  made.send("b", {}, { nackCallback: () => {} });
  channel.confirm(2, true, false);
  assertEquals(failures, ["NACKED work a"]);
});

Deno.test("Outbox sends what it was given while it starts, and again after it was stopped", async () => {
  await using made = outboxForTest();
  const early = made.send("early");
  await made.start();
  const first = await made.channel();
  assertEquals(first.bodies, ["early"]);
  first.confirm(1);
  assertEquals(await early.outcome, undefined);
  await made.outbox.stop(0);
  await made.start();
  const second = await made.channel(first);
  const late = made.send("late");
  second.confirm(1);
  assertEquals(await late.outcome, undefined);
  assertEquals(await made.outbox.flush(), { confirmed: 1, failed: 0 });
});

Deno.test("Outbox leaves no observer on its link, whether its start succeeds or fails", async () => {
  let wrong = true;
  await using made = outboxForTest({}, {
    connect: () => {
      if (wrong) throw new AuthenticationError("wrong password");
    },
  });
  let observers = 0;
  const { observe } = made.link;
  made.link.observe = (observer) => {
    observers++;
    const forget = observe.call(made.link, observer);
    return () => {
      observers--;
      forget();
    };
  };
  for (let round = 0; round < 3; round++) {
    await assertRejects(() => made.start(), AuthenticationError);
  }
  wrong = false;
  await made.start();
  await made.outbox.stop(0);
  assertEquals(observers, 0);
});

Deno.test("Outbox settles ten thousand sends through losses of every kind", async () => {
  let turn = 0;
  await using made = outboxForTest({ maxInFlight: 100 }, {
    publish: (channel, tag) => {
      if (tag % 50 === 0) {
        queueMicrotask(() => {
          if (!channel.open) return;
          if (++turn % 10 === 0) channel.connection.lose();
          else channel.confirm(tag, true, turn % 7 !== 0);
        });
      }
    },
  });
  await made.start();
  const sends = Array.from({ length: 10_000 }, () => made.send("x"));
  await eventually("all sends are settled", () => {
    // What is left below fifty is confirmed by hand.
    const { channel } = made.link.driver;
    if (channel?.open) channel.confirm(channel.published.length, true);
    return sends.every(({ settled }) => settled);
  });
  const { confirmed, failed } = await made.outbox.flush();
  assertEquals(confirmed + failed, 10_000);
  for (const outcome of await Promise.all(sends.map(({ outcome }) => outcome))) {
    assert(outcome === undefined || outcome instanceof NackedError);
  }
});
