import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { AuthenticationError, ConnectionError } from "../src/errors.ts";
import { linkHealth } from "../src/health.ts";
import type { LinkObserver } from "../src/link.ts";
import { eventually } from "./support/eventually.ts";
import { frozen, ScriptedLink } from "./support/scripted_driver.ts";

const never = new AbortController().signal;

/** Writes down what happens to a link. */
function recordingObserver(link: ScriptedLink): string[] {
  const seen: string[] = [];
  const observer: LinkObserver = {
    connected: (endpoint) => seen.push(`connected ${endpoint.hostname}`),
    disconnected: (cause) => seen.push(`disconnected ${cause.message}`),
    reconnecting: (attempt) => seen.push(`reconnecting ${attempt}`),
    blocked: (reason) => seen.push(`blocked ${reason}`),
    unblocked: () => seen.push("unblocked"),
  };
  link.observe(observer);
  return seen;
}

Deno.test("Link opens nothing before it is asked for", async () => {
  await using link = new ScriptedLink();
  link.retain();
  assertEquals(link.state.kind, "idle");
  assertEquals(linkHealth(link).status, "down");
  assertEquals(link.driver.attempts, []);
});

Deno.test("Link opens one connection for all who ask at the same time", async () => {
  await using link = new ScriptedLink();
  const [first, second] = await Promise.all([
    link.whenOpen(never, true),
    link.whenOpen(never, true),
  ]);
  assert(first === second);
  assertEquals(link.driver.attempts.length, 1);
  assertEquals(linkHealth(link).status, "up");
});

Deno.test("Link tries again what may pass, and its hosts in turn", async () => {
  const script = {
    connect: (_target: unknown, attempt: number) => {
      if (attempt < 5) throw new ConnectionError("refused");
    },
  };
  await using link = new ScriptedLink(script, {}, ["one", "two", "three"]);
  const seen = recordingObserver(link);
  await link.whenOpen(never, true);
  assertEquals(link.driver.attempts, ["one", "two", "three", "one", "two"]);
  // A pause follows each round of the hosts, not each host.
  assertEquals(seen, ["reconnecting 4", "connected two"]);
});

Deno.test("Link goes to the next host when a connection is lost", async () => {
  await using link = new ScriptedLink({}, {}, ["one", "two"]);
  link.retain();
  await link.whenOpen(never, true);
  link.driver.connection.lose();
  await link.whenOpen(never, false);
  assertEquals(link.driver.attempts, ["one", "two"]);
});

Deno.test("Link waits longer after each failure, up to the longest delay, with jitter", async () => {
  const delays: number[] = [];
  const script = {
    connect: () => {
      throw new ConnectionError("refused");
    },
  };
  await using link = new ScriptedLink(script, {
    reconnect: { initialDelayMs: 4, maxDelayMs: 16 },
  });
  link.observe({ reconnecting: (_attempt, delayMs) => delays.push(delayMs) });
  const waiting = link.whenOpen(never, false).catch((error) => error);
  await eventually("there were six attempts", () => delays.length >= 6);
  for (const [index, full] of [4, 8, 16, 16, 16, 16].entries()) {
    assert(delays[index] >= full / 2 && delays[index] <= full, `${delays} at ${index}`);
  }
  await link.close();
  assertInstanceOf(await waiting, ConnectionError);
});

Deno.test("Link does not start its backoff afresh where a connection breaks at once", async () => {
  const delays: number[] = [];
  await using link = new ScriptedLink({}, { reconnect: { initialDelayMs: 4, maxDelayMs: 1_000 } });
  link.retain();
  link.observe({
    connected: () => queueMicrotask(() => link.driver.connection.lose()),
    reconnecting: (_attempt, delayMs) => delays.push(delayMs),
  });
  link.whenOpen(never, false).catch(() => {});
  await eventually("it was lost five times", () => delays.length >= 5);
  assert(delays[4] >= 32, `the fifth delay is ${delays[4]} ms`);
});

Deno.test("Link fails those who asked to fail fast, and goes on for the others", async () => {
  let right = false;
  const script = {
    connect: () => {
      if (!right) throw new AuthenticationError("wrong password");
    },
  };
  await using link = new ScriptedLink(script);
  const patient = link.whenOpen(never, false);
  await assertRejects(() => link.whenOpen(never, true), AuthenticationError, "wrong password");
  right = true;
  await patient;
});

Deno.test("Link counts a failure as permanent only when every host gives one", async () => {
  const script = {
    connect: ({ endpoint }: { endpoint: { hostname: string } }, attempt: number) => {
      if (endpoint.hostname === "one") throw new AuthenticationError("wrong password");
      if (attempt < 6) throw new ConnectionError("booting");
    },
  };
  await using link = new ScriptedLink(script, {}, ["one", "two"]);
  await link.whenOpen(never, true);
  assertEquals(link.driver.attempts.length, 6);
});

Deno.test("Link retries slowly what is not going to pass", async () => {
  const delays: number[] = [];
  const script = {
    connect: (_target: unknown, attempt: number) => {
      if (attempt > 1) throw new AuthenticationError("wrong password");
    },
  };
  await using link = new ScriptedLink(script, { reconnect: { initialDelayMs: 1, maxDelayMs: 30 } });
  link.retain();
  link.observe({ reconnecting: (_attempt, delayMs) => delays.push(delayMs) });
  await link.whenOpen(never, true);
  link.driver.connection.lose();
  await eventually("there were four attempts", () => delays.length >= 4);
  assertEquals(delays.slice(1, 4), [30, 30, 30]);
});

Deno.test("Link ends the wait of one who gives up, and no other", async () => {
  const gate = Promise.withResolvers<void>();
  await using link = new ScriptedLink({ connect: () => gate.promise });
  const impatient = new AbortController();
  const given = link.whenOpen(impatient.signal, true);
  const kept = link.whenOpen(never, true);
  impatient.abort(new Error("enough"));
  await assertRejects(() => given, Error, "enough");
  await assertRejects(
    () => link.whenOpen(AbortSignal.abort(new Error("late")), true),
    Error,
    "late",
  );
  gate.resolve();
  await kept;
});

Deno.test("Link.close gives up a connection that is being opened", async () => {
  await using link = new ScriptedLink({ connect: frozen });
  const waiting = link.whenOpen(never, true);
  await link.close();
  await assertRejects(() => waiting, ConnectionError, "closed by the program");
  assertEquals(link.driver.open, 0);
});

Deno.test("Link.close leaves no connection open that opens at that moment", async () => {
  // The close comes at every step between the driver's answer and the link's own.
  for (let steps = 0; steps < 12; steps++) {
    const gate = Promise.withResolvers<void>();
    await using link = new ScriptedLink({ connect: () => gate.promise });
    const waiting = link.whenOpen(never, true).catch(() => {});
    gate.resolve();
    for (let step = 0; step < steps; step++) await null;
    await link.close();
    await waiting;
    assertEquals([link.state.kind, link.driver.open], ["idle", 0], `after ${steps} steps`);
  }
});

Deno.test("Link notices a connection that is lost at the moment it opens", async () => {
  for (let steps = 0; steps < 12; steps++) {
    const gate = Promise.withResolvers<void>();
    await using link = new ScriptedLink({
      connect: (_target, attempt) => attempt === 1 ? gate.promise : undefined,
    });
    link.retain();
    void link.whenOpen(never, true).catch(() => {});
    gate.resolve();
    for (let step = 0; step < steps; step++) await null;
    link.driver.connections[0].lose();
    await eventually(
      `the link is on a living connection (${steps} steps)`,
      () => link.state.kind === "open" && link.driver.connection.state === "open",
      2_000,
    );
  }
});

Deno.test("Link opens again after close, however often", async () => {
  await using link = new ScriptedLink();
  for (let round = 1; round <= 3; round++) {
    await link.whenOpen(never, true);
    assertEquals(link.driver.open, 1);
    await Promise.all([link.close(), link.close()]);
    assertEquals(link.driver.open, 0);
  }
});

Deno.test("Link.close returns in time although the broker is frozen", async () => {
  await using link = new ScriptedLink({ closeConnection: frozen });
  await link.whenOpen(never, true);
  await link.close(20);
  assertEquals(link.driver.open, 0);
});

Deno.test("Link lingers after its last user, without keeping the program alive", async () => {
  await using link = new ScriptedLink();
  link.retain();
  await link.whenOpen(never, true);
  link.release();
  assertEquals([link.state.kind, link.driver.connection.alive], ["open", false]);
  link.retain();
  assertEquals(link.driver.connection.alive, true);
  assertEquals(link.driver.attempts.length, 1);
});

Deno.test("Link does not connect again when nobody uses it", async () => {
  await using link = new ScriptedLink();
  link.retain();
  await link.whenOpen(never, true);
  link.release();
  link.driver.connection.lose();
  assertEquals(link.state.kind, "idle");
  assertEquals(link.driver.attempts.length, 1);
});

Deno.test("Link keeps track of being blocked", async () => {
  await using link = new ScriptedLink();
  link.retain();
  const seen = recordingObserver(link);
  await link.whenOpen(never, true);
  const { events } = link.driver.connection;
  events.blocked("low on memory");
  assertEquals(link.blocked?.reason, "low on memory");
  assertEquals(linkHealth(link).reason, "blocked by the broker: low on memory");
  events.unblocked();
  assertEquals(link.blocked, undefined);
  assertEquals(seen, ["connected one", "blocked low on memory", "unblocked"]);
});

Deno.test("Link forgets that it was blocked when the connection is lost (failure mode 18)", async () => {
  await using link = new ScriptedLink();
  link.retain();
  await link.whenOpen(never, true);
  const first = link.driver.connection;
  first.events.blocked("low on memory");
  first.lose();
  assertEquals(link.blocked, undefined);
  await link.whenOpen(never, false);
  assertEquals(linkHealth(link).status, "up");
  first.events.blocked("a late word of the old connection");
  assertEquals(link.blocked, undefined);
});

Deno.test("Link knows that it is blocked although the broker says so while it opens", async () => {
  await using link = new ScriptedLink();
  link.driver.script.connect = () => link.driver.connection.events.blocked("low on disk");
  const seen = recordingObserver(link);
  await link.whenOpen(never, true);
  assertEquals(link.blocked?.reason, "low on disk");
  assertEquals(seen, ["connected one", "blocked low on disk"]);
});

Deno.test("Link.observe returns a function that ends it", async () => {
  await using link = new ScriptedLink();
  const seen: string[] = [];
  const forget = link.observe({ connected: () => seen.push("connected") });
  forget();
  await link.whenOpen(never, true);
  assertEquals(seen, []);
});

for (const [hours, what] of [[-1, "back"], [1, "forward"]] as const) {
  Deno.test(`Link knows a stable connection although the clock was set ${what} by an hour (76)`, async () => {
    const delays: number[] = [];
    await using link = new ScriptedLink({}, {
      reconnect: { initialDelayMs: 4, maxDelayMs: 1_000 },
    });
    link.retain();
    link.observe({ reconnecting: (_attempt, delayMs) => delays.push(delayMs) });
    const lose = async (elapsedMs: number) => {
      await link.whenOpen(never, false);
      const [now, date] = [performance.now, Date.now];
      try {
        Date.now = () => date() + hours * 3_600_000;
        performance.now = () => now.call(performance) + elapsedMs;
        link.driver.connection.lose();
      } finally {
        performance.now = now;
        Date.now = date;
      }
    };
    for (let count = 0; count < 6; count++) await lose(0);
    assert(delays[5] >= 64, `flapping is not noticed: ${delays}`);
    await lose(2_000);
    assert(delays[6] <= 4, `the backoff does not begin again: ${delays}`);
    await link.whenOpen(never, false);
  });
}
