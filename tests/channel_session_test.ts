import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { deadline } from "@std/async/deadline";
import type { DriverConnection } from "../src/amqp/driver.ts";
import { ChannelSession } from "../src/channel_session.ts";
import { AuthenticationError, ConnectionError, QueueNotFoundError } from "../src/errors.ts";
import { sessionHealth } from "../src/health.ts";
import { eventually } from "./support/eventually.ts";
import {
  frozen,
  type Script,
  type ScriptedChannel,
  ScriptedLink,
} from "./support/scripted_driver.ts";

/** A session whose owner opens a plain channel and writes down what it is told. */
function sessionForTest(script: Script = {}, startTimeoutMs = 1_000) {
  const link = new ScriptedLink(script);
  const told: string[] = [];
  const owner = {
    atOnce: false,
    setUp: (_channel: ScriptedChannel): unknown => undefined,
    async open(connection: DriverConnection, closed: (cause: Error) => void) {
      const channel = await connection.openChannel({
        confirm: () => {},
        returned: () => {},
        delivery: () => {},
        cancelled: () => {},
        closed,
      }, { confirms: false }) as ScriptedChannel;
      await owner.setUp(channel);
      return channel;
    },
    opened: () => void told.push("opened"),
    lost: (_channel: ScriptedChannel, cause: Error) => {
      told.push(`lost: ${cause.message}`);
      return owner.atOnce;
    },
    failed: (cause: Error) => void told.push(`failed: ${cause.message}`),
  };
  const session = new ChannelSession<ScriptedChannel>(link, link.options.reconnect, owner);
  return {
    link,
    session,
    owner,
    told,
    start: () => session.start(startTimeoutMs, "thing"),
    async [Symbol.asyncDispose]() {
      await session.stop(0);
      await link.close(0);
    },
  };
}

Deno.test("ChannelSession.start opens one channel, and stop closes it", async () => {
  await using made = sessionForTest();
  await made.start();
  assertEquals(made.session.state.kind, "open");
  assertEquals(sessionHealth(made.session, made.link, true).status, "up");
  await made.session.stop();
  assertEquals(made.session.state.kind, "stopped");
  assertEquals(made.link.driver.channel.calls, ["close"]);
  assertEquals(made.told, ["opened"]);
});

Deno.test("ChannelSession opens a fresh channel when its own is lost", async () => {
  await using made = sessionForTest();
  await made.start();
  const first = made.session.channel!;
  first.lose(new QueueNotFoundError("gone"));
  await eventually("there is another", () =>
    made.session.channel !== undefined &&
    made.session.channel !== first);
  assertEquals(made.told, ["opened", "lost: gone", "opened"]);
  assertEquals(made.link.driver.connections.length, 1);
});

Deno.test("ChannelSession opens a fresh channel on a fresh connection", async () => {
  await using made = sessionForTest();
  await made.start();
  for (let round = 2; round <= 4; round++) {
    made.link.driver.connection.lose();
    await eventually(
      "it is open again",
      () => made.link.driver.connections.length === round && made.session.channel?.open,
    );
    assert(made.session.channel!.connection === made.link.driver.connection);
  }
});

Deno.test("ChannelSession.start tries again what may pass", async () => {
  await using made = sessionForTest({
    openChannel: (_connection, count) => {
      if (count < 3) throw new ConnectionError("not yet");
    },
  });
  await made.start();
  assertEquals(made.link.driver.channels.length, 3);
  // Before it has started, what fails is for start() to tell, and for nobody else.
  assertEquals(made.told, ["opened"]);
});

Deno.test("ChannelSession.start fails at once with what will not pass", async () => {
  for (const error of [new AuthenticationError("no"), new QueueNotFoundError("no")]) {
    await using made = sessionForTest({
      connect: () => {
        if (error instanceof AuthenticationError) throw error;
      },
      openChannel: () => {
        throw error;
      },
    }, 60_000);
    const thrown = await assertRejects(() => made.start());
    assert(thrown === error);
    assertEquals(made.session.state.kind, "stopped");
  }
});

Deno.test("ChannelSession goes on with what will not pass, once it has started", async () => {
  await using made = sessionForTest();
  await made.start();
  made.owner.setUp = () => {
    throw new QueueNotFoundError("deleted");
  };
  made.session.channel!.lose(new ConnectionError("cancelled"));
  await eventually("it failed three times", () => made.told.length >= 5);
  assertEquals(made.told.slice(2, 4), ["failed: deleted", "failed: deleted"]);
  assertEquals(sessionHealth(made.session, made.link, false).reason, "deleted");
  made.owner.setUp = () => undefined;
  await eventually("it is open again", () => made.session.channel);
});

Deno.test("ChannelSession repeats a set-up that the connection broke (failure mode 9)", async () => {
  await using made = sessionForTest();
  let setUps = 0;
  made.owner.setUp = async (channel) => {
    if (++setUps > 3) return;
    // What was asked for on a connection that is gone is never answered.
    channel.connection.lose();
    await channel.prefetch(1);
  };
  await made.start();
  assertEquals(setUps, 4);
  assertEquals(made.link.driver.open, 1);
});

Deno.test("ChannelSession notices a channel that is lost while it is set up", async () => {
  await using made = sessionForTest();
  let setUps = 0;
  made.owner.setUp = (channel) => {
    if (++setUps === 1) channel.lose(new ConnectionError("lost in set-up"));
  };
  await made.start();
  await eventually("it is on a living channel", () => made.session.channel?.open);
  assertEquals(setUps, 2);
});

Deno.test("ChannelSession.start gives up when its time is over, and says what it waited for", async () => {
  await using made = sessionForTest({
    connect: () => {
      throw new ConnectionError("nothing listens there");
    },
  }, 30);
  const error = await assertRejects(() => made.start(), ConnectionError);
  assertEquals(error.code, "START_TIMEOUT");
  assertEquals(
    error.message,
    `Cannot start the thing within 30 ms ("startTimeoutMs"): nothing listens there`,
  );
  assertInstanceOf(error.cause, ConnectionError);
  assertEquals(made.session.state.kind, "stopped");
  assertEquals(made.link.state.kind, "idle");
});

Deno.test("ChannelSession.start ends although the broker never answers", async () => {
  for (const script of [{ connect: frozen }, { openChannel: frozen }]) {
    await using made = sessionForTest(script, 20);
    const started = assertRejects(() => made.start(), ConnectionError);
    const error = await deadline(started, 2_000);
    assertEquals(error.code, "START_TIMEOUT");
  }
});

Deno.test("ChannelSession.stop ends in time although the broker never answers", async () => {
  await using made = sessionForTest({ call: frozen });
  await made.start();
  await made.session.stop(20);
  assertEquals(made.session.state.kind, "stopped");
});

Deno.test("ChannelSession.stop ends a start, at whatever moment it comes", async () => {
  for (let steps = 0; steps < 25; steps++) {
    await using made = sessionForTest();
    const started = made.start().then(() => "started", (error) => error);
    for (let step = 0; step < steps; step++) await null;
    await made.session.stop();
    const outcome = await started;
    if (outcome !== "started") assertInstanceOf(outcome, ConnectionError);
    assertEquals(made.session.state.kind, "stopped");
    const open = made.link.driver.channels.filter((channel) => channel.open);
    assertEquals(open.length, 0, `channels left open after ${steps} steps`);
  }
});

Deno.test("ChannelSession.stop ends the wait for a channel that is to come back", async () => {
  await using made = sessionForTest();
  await made.start();
  made.owner.setUp = frozen;
  made.session.channel!.lose(new ConnectionError("lost"));
  await eventually("it opens another", () => made.link.driver.channels.length === 2);
  await made.session.stop(20);
  await made.session.stop(20);
  assertEquals(made.session.state.kind, "stopped");
});

Deno.test("ChannelSession can be started again after it was stopped or failed", async () => {
  await using made = sessionForTest({
    connect: (_target, attempt) => {
      if (attempt === 1) throw new AuthenticationError("no");
    },
  });
  await assertRejects(() => made.start(), AuthenticationError);
  for (let round = 0; round < 3; round++) {
    await made.start();
    assert(made.session.channel!.open);
    await made.session.stop();
  }
  assertEquals(made.link.driver.channels.map((channel) => channel.open), [false, false, false]);
});

Deno.test("ChannelSession closes a channel that opens after it was stopped", async () => {
  const gate = Promise.withResolvers<void>();
  await using made = sessionForTest({ openChannel: () => gate.promise });
  made.link.retain(); // Somebody else uses the connection, so that it stays.
  const started = made.start().catch(() => {});
  await eventually("it opens its channel", () => made.link.driver.channels.length === 1);
  await made.session.stop(0);
  await started;
  gate.resolve();
  await eventually("the late channel is closed", () => !made.link.driver.channel.open);
  assertEquals(made.told, []);
});

Deno.test("ChannelSession comes back when its link was closed under it", async () => {
  await using made = sessionForTest();
  await made.start();
  await made.link.close();
  await eventually("it is open again", () => made.session.channel?.open);
  assertEquals(made.link.driver.connections.length, 2);
});

Deno.test("ChannelSession opens the next channel at once where its owner says so", async () => {
  await using made = sessionForTest();
  made.owner.atOnce = true;
  await made.start();
  for (let round = 2; round <= 10; round++) {
    made.session.channel!.lose(new ConnectionError("lost"));
    await eventually("there is another", () => made.link.driver.channels.length === round);
    await eventually("it is open", () => made.session.channel?.open);
  }
});

Deno.test("ChannelSession gives up with what keeps it away, not with what it was lost by", async () => {
  const script: Script = {};
  await using made = sessionForTest(script);
  const gaveUp = Promise.withResolvers<Error>();
  Object.assign(made.owner, { giveUpAfterMs: 100, gaveUp: gaveUp.resolve });
  await made.start();
  script.connect = () => {
    throw new ConnectionError("nothing listens there");
  };
  made.link.driver.connection.lose(new ConnectionError("the cable was pulled"));
  const error = await gaveUp.promise;
  assertEquals((error.cause as Error).message, "nothing listens there");
  assertEquals(error.message.endsWith("nothing listens there"), true);
});
