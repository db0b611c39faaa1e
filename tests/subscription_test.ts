import { eventually } from "./support/eventually.ts";
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { DriverConnection } from "../src/amqp/driver.ts";
import { type BaseConsumerOptions, resolveConsumerOptions } from "../src/consumer_options.ts";
import {
  ChannelError,
  ConnectionError,
  ExchangeNotFoundError,
  QueueNotFoundError,
} from "../src/errors.ts";
import type { HeldDelivery } from "../src/held_delivery.ts";
import { MessageStatus } from "../src/message_status.ts";
import { RetryPolicy } from "../src/retry_policy.ts";
import { Subscription, type SubscriptionHost, type TemporaryQueue } from "../src/subscription.ts";
import { caseName, casesToRun, randomOfCase } from "./support/fuzz.ts";
import { frozen, type Script, ScriptedLink } from "./support/scripted_driver.ts";
import { nextTurn } from "./support/next_turn.ts";

const never = new AbortController().signal;

async function subscriptionForTest(
  options: Partial<BaseConsumerOptions> = {},
  script: Script = {},
) {
  const link = new ScriptedLink(script);
  const connection = await link.whenOpen(never, true);
  const delivered: HeldDelivery[] = [];
  const closed: Error[] = [];
  const rejected: string[] = [];
  const refused: Error[] = [];
  const life = new AbortController();
  const host: { -readonly [Name in keyof SubscriptionHost]: SubscriptionHost[Name] } = {
    options: resolveConsumerOptions({
      queueName: "work",
      taskFunction: () => MessageStatus.SUCCESS,
      prefetch: 3,
      ...options,
    }),
    retries: new RetryPolicy(0),
    taking: true,
    draining: false,
    delivered: (held: HeldDelivery) => void delivered.push(held),
    retrying: () => {},
    tally: { settled: 0, released: 0, lost: 0 },
    rejected: (_held, reason) => void rejected.push(reason),
    listenerThrew: () => {},
    refused: (cause) => void refused.push(cause),
    mayAddConsumers: true,
  };
  return {
    host,
    life,
    rejected,
    refused,
    link,
    connection,
    delivered,
    closed,
    open: (previous?: TemporaryQueue, on: DriverConnection = connection) =>
      Subscription.open(host, on, previous, (cause) => closed.push(cause), life.signal),
    get channel() {
      return link.driver.channel;
    },
    async [Symbol.asyncDispose]() {
      await link.close(0);
    },
  };
}

Deno.test("Subscription sets up prefetch, bindings and consumer, in this order", async () => {
  await using made = await subscriptionForTest({ exchange: "color", bindingKeys: ["a", "b"] });
  const subscription = await made.open();
  assertEquals(made.channel.calls, [
    "prefetch 3",
    "bind work color a",
    "bind work color b",
    "consume work",
  ]);
  assertEquals([subscription.queueName, subscription.temporaryQueue], ["work", undefined]);
});

Deno.test("Subscription declares a temporary queue as classic, and deletes it when it closes", async () => {
  await using made = await subscriptionForTest({
    queueName: "",
    exchange: "logs",
    queueArguments: { "x-expires": 60_000 },
  });
  const subscription = await made.open();
  assertEquals(subscription.queueName, "temporary-1");
  await subscription.close();
  assertEquals(made.channel.calls, [
    "prefetch 3",
    `declare {"x-expires":60000,"x-queue-type":"classic"}`,
    "bind temporary-1 logs ",
    "consume temporary-1",
    "delete temporary-1",
    "close",
  ]);
});

Deno.test("Subscription keeps its temporary queue on the same connection, not on another", async () => {
  await using made = await subscriptionForTest({ queueName: "" });
  const first = await made.open();
  made.channel.lose(new ConnectionError("lost"));
  const second = await made.open(first.temporaryQueue);
  assertEquals(second.queueName, "temporary-1");
  assertEquals(made.channel.calls, ["prefetch 3", "check temporary-1", "consume temporary-1"]);
  made.link.driver.connection.lose();
  const connection = await made.link.whenOpen(never, true);
  assertEquals((await made.open(second.temporaryQueue, connection)).queueName, "temporary-3");
});

Deno.test("Subscription closes its channel where any step of its set-up fails", async () => {
  for (const step of ["prefetch 3", "bind work color a", "consume work"]) {
    const error = new ExchangeNotFoundError(step);
    await using made = await subscriptionForTest({ exchange: "color", bindingKeys: ["a"] }, {
      call: (_channel, what) => {
        if (what === step) throw error;
      },
    });
    assert(await assertRejects(() => made.open()) === error);
    assertEquals([made.channel.open, made.channel.calls.at(-1)], [false, "close"]);
  }
});

Deno.test("Subscription fails where its channel is lost in any step of its set-up", async () => {
  for (const step of ["prefetch 3", "bind work color a", "consume work"]) {
    await using made = await subscriptionForTest({ exchange: "color", bindingKeys: ["a"] }, {
      call: (channel, what) => {
        if (what === step) channel.lose(new QueueNotFoundError("lost in set-up"));
      },
    });
    await assertRejects(() => made.open());
    assertEquals(made.closed.map(({ message }) => message), ["lost in set-up"]);
  }
});

Deno.test("Subscription hands over what arrives before its set-up is done", async () => {
  await using made = await subscriptionForTest({}, {
    call: (channel, what) => what === "consume work" && channel.deliver(),
  });
  const subscription = await made.open();
  assertEquals([made.delivered.length, subscription.outstanding], [1, 1]);
});

Deno.test("Subscription settles each delivery by its own tag, and counts what was worked on", async () => {
  await using made = await subscriptionForTest();
  const subscription = await made.open();
  for (let count = 0; count < 4; count++) made.channel.deliver();
  const [first, second, third, fourth] = made.delivered;
  assertEquals(
    [fourth.message.ack(), second.message.reject(), third.release(), first.message.rejectRetry()],
    [true, true, true, true],
  );
  await eventually("the turn ends", () => made.channel.settled.length === 4);
  assertEquals(made.channel.settled, [[2, "reject"], [3, "release"], [1, "requeue"], [4, "ack"]]);
  assertEquals(made.host.tally, { settled: 3, released: 1, lost: 0 });
  assertEquals(subscription.outstanding, 0);
  assertEquals(made.rejected, ["message.reject() was called"]);
  await subscription.whenEmpty();
});

Deno.test("Subscription that is lost settles nothing, on its own channel or another (failure mode 36)", async () => {
  await using made = await subscriptionForTest();
  const first = await made.open();
  const firstChannel = made.channel;
  made.channel.deliver();
  const [held] = made.delivered;
  const { signal } = held.message;
  const empty = first.whenEmpty();
  firstChannel.lose(new ConnectionError("lost"));
  await empty;
  const second = await made.open();
  made.channel.deliver();
  assertEquals([held.message.ack(), held.message.rejectRetry(), held.lost], [false, false, true]);
  assertEquals([firstChannel.settled, made.channel.settled], [[], []]);
  assertEquals([first.outstanding, second.outstanding], [0, 1]);
  assert(signal.aborted);
  assertEquals(made.closed.length, 1);
});

Deno.test("Subscription answers a cancel of the broker on a fresh channel", async () => {
  await using made = await subscriptionForTest();
  await made.open();
  made.channel.deliver();
  made.channel.events.cancelled();
  assertEquals(made.closed.length, 1);
  assert(made.closed[0].message.includes(`queue "work"`));
  assertEquals([made.delivered[0].lost, made.channel.calls.at(-1)], [true, "close"]);
});

Deno.test("Subscription that was cancelled by the broker writes nothing more on its channel", async () => {
  await using made = await subscriptionForTest({}, {
    call: (_channel, what) => what === "close" ? frozen() : undefined,
  });
  const subscription = await made.open();
  made.channel.events.cancelled();
  made.channel.deliver();
  assertEquals(made.delivered[0].message.ack(), false);
  made.host.taking = false;
  await subscription.follow();
  assertEquals([made.channel.settled, made.channel.calls.at(-1)], [[], "close"]);
});

Deno.test("Subscription cancels and consumes again, each but once", async () => {
  await using made = await subscriptionForTest();
  const subscription = await made.open();
  await subscription.follow();
  for (const taking of [false, true]) {
    made.host.taking = taking;
    await Promise.all([subscription.follow(), subscription.follow()]);
  }
  assertEquals(made.channel.calls.slice(1), ["consume work", "cancel", "consume work"]);
});

Deno.test("Subscription judges whether to consume when the broker has answered, too", async () => {
  await using made = await subscriptionForTest({}, {
    call: (channel, what) => {
      if (what !== "consume work") return;
      channel.deliver();
      made.host.taking = false;
      channel.deliver();
    },
  });
  const subscription = await made.open();
  assertEquals(made.channel.calls.slice(1), ["consume work", "cancel"]);
  // Nothing goes back while it would come again.
  assertEquals(made.channel.log.slice(-2), ["cancel", "release"]);
  assertEquals([made.delivered.length, subscription.outstanding], [1, 1]);
  assertEquals(made.host.tally.released, 1);
});

Deno.test("Subscription acknowledges nothing along that is to go back once its cancel is written", async () => {
  const answer = Promise.withResolvers<void>();
  await using made = await subscriptionForTest({}, {
    call: (_channel, what) => what === "check work" ? answer.promise : undefined,
  });
  const subscription = await made.open();
  for (let count = 0; count < 3; count++) made.channel.deliver();
  // Another request is on its way, so that the cancel has to wait.
  const counting = subscription.countReady();
  made.host.taking = false;
  made.host.draining = true;
  const following = subscription.follow();
  const [failed, ...done] = made.delivered;
  assertEquals([failed.rejectRetry(), ...done.map((held) => held.ack())], [true, true, true]);
  await nextTurn();
  assertEquals(made.channel.settled, [[2, "ack"], [3, "ack"]]);
  answer.resolve();
  await Promise.all([counting, following, subscription.whenEmpty()]);
  assertEquals(made.channel.settled.at(-1), [1, "requeue"]);
  assertEquals(made.host.tally, { settled: 3, released: 0, lost: 0 });
});

Deno.test("Subscription adds consumers as more messages wait for their retry, and keeps the first", async () => {
  await using made = await subscriptionForTest({ prefetch: 2, workers: 2 });
  made.host.retries = new RetryPolicy(60_000);
  const subscription = await made.open();
  for (let count = 0; count < 7; count++) {
    made.channel.deliver();
    made.delivered[count].rejectRetry();
    await subscription.follow();
  }
  assertEquals(made.channel.calls, [
    "prefetch 2",
    "consume work",
    ...["prefetch 1", "consume work", "consume work"], // 1 and 1 beside it
    ...["prefetch 2", "consume work", "prefetch 4", "consume work"],
  ]);
  assertEquals([subscription.extraSlots, subscription.heldUp], [8, undefined]);
  for (const held of made.delivered) held.retryNow();
  for (let round = 0; round < 6; round++) {
    subscription.shrink();
    await subscription.follow();
  }
  assertEquals([subscription.extraSlots, made.channel.calls.slice(9)], [
    0,
    Array(4).fill("cancel"),
  ]);
  subscription.drop(new ConnectionError("the end of the test"));
});

Deno.test("Subscription adds no more consumers where the broker has refused one", async () => {
  let consumes = 0;
  await using made = await subscriptionForTest({}, {
    call: (_channel, what) => {
      if (what === "consume work" && ++consumes === 2) {
        throw new ChannelError("no more", { replyCode: 530 });
      }
    },
  });
  made.host.retries = new RetryPolicy(60_000);
  await made.open();
  for (const round of [1, 2]) {
    for (let count = 0; count < 3; count++) made.channel.deliver();
    for (const held of made.delivered.splice(0)) held.rejectRetry();
    await nextTurn();
    assertEquals(made.closed.map(({ message }) => message)[0], "no more", `round ${round}`);
    if (round === 1) await made.open();
  }
  assertEquals(made.channel.calls, ["prefetch 3", "consume work"]);
  made.channel.lose(new ConnectionError("the end of the test"));
});

Deno.test("Subscription works on what it was about to give back, where it may after all", async () => {
  const answer = Promise.withResolvers<void>();
  await using made = await subscriptionForTest({}, {
    call: (_channel, what) => what === "cancel" ? answer.promise : undefined,
  });
  const subscription = await made.open();
  made.host.taking = false;
  const following = subscription.follow();
  made.host.taking = true;
  answer.resolve();
  await following;
  made.channel.deliver();
  assertEquals(made.channel.calls.slice(1), ["consume work", "cancel", "consume work"]);
  assertEquals([made.delivered.length, made.channel.settled], [1, []]);
});

Deno.test("Subscription takes nothing more once its consumer was stopped, although that was started again", async () => {
  await using made = await subscriptionForTest();
  const subscription = await made.open();
  made.life.abort();
  made.channel.deliver();
  await subscription.follow();
  assertEquals([made.delivered.length, made.channel.settled], [0, []]);
  assertEquals(made.channel.calls.at(-1), "cancel");
});

Deno.test("Subscription does not consume where no messages are to be taken", async () => {
  await using made = await subscriptionForTest();
  made.host.taking = false;
  await made.open();
  assertEquals(made.channel.calls, ["prefetch 3"]);
});

Deno.test("Subscription.abandon gives up what is held, and leaves the channel to be closed", async () => {
  await using made = await subscriptionForTest();
  const subscription = await made.open();
  made.channel.deliver();
  subscription.abandon(new Error("stopped"));
  assertEquals([made.delivered[0].message.ack(), subscription.outstanding], [false, 0]);
  await subscription.close();
  assertEquals(made.channel.open, false);
});

Deno.test("Subscription.abandon gives up what is held, not acknowledges it with what was done in the same turn", async () => {
  await using made = await subscriptionForTest();
  const subscription = await made.open();
  for (let count = 0; count < 3; count++) made.channel.deliver();
  const [, second, third] = made.delivered;
  third.ack();
  second.ack();
  subscription.abandon(new Error("stopped"));
  await nextTurn();
  assertEquals(made.channel.settled, [[3, "ack"], [2, "ack"]]);
});

Deno.test("Subscription.abandon leaves alone what it gives up, whatever is acknowledged behind it", async () => {
  await using made = await subscriptionForTest();
  const subscription = await made.open();
  for (let count = 0; count < 5; count++) made.channel.deliver();
  const [slow, ...others] = made.delivered;
  others[0].message.ack();
  others[1].message.ack();
  // One that settles a batch when it hears that the time is over.
  slow.message.signal.addEventListener("abort", () => {
    for (const { message } of others) message.ack();
  });
  subscription.abandon(new Error("stopped"));
  await subscription.close();
  assertEquals(
    made.channel.settled.map(([tag]) => tag).toSorted(),
    [2, 3, 4, 5],
  );
  assertEquals(made.channel.outstanding.open, [1]);
});

Deno.test("Subscription.close closes its channel although its queue cannot be deleted", async () => {
  await using made = await subscriptionForTest({ queueName: "" }, {
    call: (_channel, what) => {
      if (what.startsWith("delete")) throw new ConnectionError("not answered");
    },
  });
  const subscription = await made.open();
  await assertRejects(() => subscription.close(), ConnectionError, "not answered");
  assertEquals(made.channel.open, false);
});

Deno.test("Subscription settles at once what is retried while its consumer stops", async () => {
  await using made = await subscriptionForTest({}, { closeConnection: frozen });
  made.host.retries = new RetryPolicy(60_000);
  await made.open();
  made.host.draining = true;
  made.channel.deliver();
  made.delivered[0].message.rejectRetry();
  assertEquals(made.channel.settled, [[1, "requeue"]]);
});

Deno.test("Subscription that was dropped closes its channel, loses what it holds and says so once", async () => {
  await using made = await subscriptionForTest();
  const subscription = await made.open();
  made.channel.deliver();
  subscription.drop(new ConnectionError("consume was never answered"));
  assertEquals(made.channel.calls.at(-1), "close");
  assertEquals(made.delivered[0].lost, true);
  assertEquals(made.closed.map(({ message }) => message), ["consume was never answered"]);
});

Deno.test("Subscription acknowledges the end of one turn with one frame, and of the next with another", async () => {
  await using made = await subscriptionForTest();
  await made.open();
  for (let count = 0; count < 5; count++) made.channel.deliver();
  for (const held of made.delivered.slice(0, 3)) held.ack();
  assertEquals(made.channel.settled, []);
  await nextTurn();
  assertEquals(made.channel.settled, [[3, "ack", true]]);
  made.delivered[4].ack();
  await nextTurn();
  made.delivered[3].ack();
  await nextTurn();
  assertEquals(made.channel.settled, [[3, "ack", true], [5, "ack"], [4, "ack"]]);
});

Deno.test("Subscription writes what it has to acknowledge before it closes its channel or drops it", async () => {
  for (const how of ["close", "drop"] as const) {
    await using made = await subscriptionForTest();
    const subscription = await made.open();
    const { channel } = made;
    for (let count = 0; count < 3; count++) channel.deliver();
    made.delivered[0].ack();
    made.delivered[1].ack();
    const closing = subscription[how](new Error("given up"));
    assertEquals([channel.settled, channel.calls.at(-1)], [[[2, "ack", true]], "close"]);
    await closing;
  }
});

Deno.test("Subscription acknowledges nothing where its channel is lost within the turn", async () => {
  await using made = await subscriptionForTest();
  await made.open();
  const { channel } = made;
  channel.deliver();
  made.delivered[0].ack();
  channel.lose(new ConnectionError("lost"));
  await made.open();
  await nextTurn();
  assertEquals([channel.settled, made.channel.settled], [[], []]);
});

Deno.test("Subscription settles as it was told, whatever the turns and the order (fuzz)", async () => {
  for (const index of casesToRun(300)) {
    const random = randomOfCase(index);
    await using made = await subscriptionForTest();
    const subscription = await made.open();
    const { outstanding } = made.channel;
    const told = new Map<number, string>();
    const open = new Set<HeldDelivery>();
    for (let turn = random.between(1, 20); turn > 0; turn--) {
      for (let step = random.below(12); step > 0; step--) {
        if (open.size === 0 || random.chance(0.5)) {
          made.channel.deliver();
          open.add(made.delivered[made.delivered.length - 1]);
          continue;
        }
        const held = random.chance(0.5) ? [...open][0] : random.pick([...open]);
        open.delete(held);
        const how = random.pick(["ack", "ack", "ack", "reject", "release", "requeue"] as const);
        if (how === "requeue") held.rejectRetry();
        else held[how]();
        told.set(held.delivery.tag, how);
        if (random.chance(0.1)) await nextTurn();
      }
      await nextTurn();
      assertEquals(made.closed, [], caseName(index));
      assertEquals(outstanding.open.length, open.size, caseName(index));
    }
    assertEquals(outstanding.settled as Map<number, string>, told, caseName(index));
    assertEquals(subscription.outstanding, open.size, caseName(index));
  }
});
