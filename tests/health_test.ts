import { assertEquals } from "@std/assert";
import { ChannelSession } from "../src/channel_session.ts";
import { ConnectionError } from "../src/errors.ts";
import { linkHealth, sessionHealth } from "../src/health.ts";
import type { DriverConnection } from "../src/amqp/driver.ts";
import { eventually } from "./support/eventually.ts";
import { type ScriptedChannel, ScriptedLink } from "./support/scripted_driver.ts";

Deno.test("sessionHealth follows its session and link, and tells why and since when", async () => {
  let refuse = true;
  await using link = new ScriptedLink({
    connect: () => {
      if (refuse) throw new ConnectionError("nothing listens there");
    },
  });
  const session = new ChannelSession<ScriptedChannel>(link, link.options.reconnect, {
    open: async (connection: DriverConnection, closed) =>
      await connection.openChannel({
        confirm: () => {},
        returned: () => {},
        delivery: () => {},
        cancelled: () => {},
        closed,
      }, { confirms: true }) as ScriptedChannel,
    opened: () => {},
    lost: () => false,
    failed: () => {},
  });
  const verdict = (publishes: boolean) => {
    const { status, reason, since } = sessionHealth(session, link, publishes);
    assertEquals(since instanceof Date, true);
    return [status, reason];
  };

  assertEquals(verdict(true), ["down", "stopped"]);
  assertEquals(linkHealth(link).status, "down");
  const started = session.start(60_000, "thing");
  await eventually("it has failed once", () => verdict(true)[1] === "nothing listens there");
  assertEquals(verdict(true)[0], "recovering");
  refuse = false;
  await started;
  assertEquals(verdict(true), ["up", undefined]);
  link.driver.connection.events.blocked("low on memory");
  // Only one that publishes is held up by that.
  assertEquals(verdict(true), ["blocked", "blocked by the broker: low on memory"]);
  assertEquals(verdict(false), ["up", undefined]);
  refuse = true;
  link.driver.connection.lose(new ConnectionError("cut"));
  await eventually("it is recovering", () => verdict(false)[0] === "recovering");
  await session.stop();
  assertEquals(verdict(false), ["down", "stopped"]);
});
