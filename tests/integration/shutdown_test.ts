import { assertEquals } from "@std/assert";
import { waitForShutdown, waitForSigterm } from "../../mod.ts";
import { type Program, program } from "../support/program.ts";

Deno.test("waitForSigterm resolves to false when its time is over", async () => {
  assertEquals(await waitForSigterm(0), false);
  assertEquals(await waitForSigterm(5), false);
});

Deno.test("waitForShutdown resolves to false when its time is over", async () => {
  assertEquals(await waitForShutdown({ timeoutMs: 5 }), false);
  assertEquals(await waitForShutdown({ timeoutMs: 5, osSignals: [] }), false);
});

Deno.test("waitForShutdown resolves to true when its AbortSignal is aborted, before or meanwhile", async () => {
  assertEquals(await waitForShutdown({ signal: AbortSignal.abort() }), true);
  const controller = new AbortController();
  const { signal } = controller;
  const waits = [waitForShutdown({ signal }), waitForShutdown({ signal, timeoutMs: 60_000 })];
  controller.abort();
  assertEquals(await Promise.all(waits), [true, true]);
});

/** Signals that the platform does not know are left out. */
Deno.test("waitForShutdown takes all of its signals on every platform", async () => {
  const osSignals = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK"] as const;
  assertEquals(await waitForShutdown({ timeoutMs: 0, osSignals }), false);
});

async function endedBy(running: Program): Promise<string | number | null> {
  const { signal, code } = await running.ended;
  return signal ?? code;
}

for (
  const { wait, signal } of [
    { wait: "waitForSigterm()", signal: "SIGTERM" },
    { wait: "waitForShutdown()", signal: "SIGTERM" },
    { wait: "waitForShutdown()", signal: "SIGINT" },
    { wait: 'waitForShutdown({ osSignals: ["SIGHUP"] })', signal: "SIGHUP" },
  ] as const
) {
  Deno.test(`${wait} resolves to true on ${signal}; a second one, after the wait, ends the program`, async () => {
    await using running = await program(
      `
      import { waitForShutdown, waitForSigterm } from "@lapinmq/lapinmq";
      setInterval(() => {}, 1_000);
      const waits = [${wait}, ${wait}];
      console.log("waiting");
      console.log("both", (await Promise.all(waits)).join());
    `,
      { flags: [] },
    );
    await running.waitFor("waiting");
    running.kill(signal);
    await running.waitFor("both true,true");
    running.kill(signal);
    assertEquals(await endedBy(running), signal);
  });
}

Deno.test("waitForSigterm leaves Ctrl-C to end the program at once", async () => {
  await using running = await program(`
    import { waitForSigterm } from "@lapinmq/lapinmq";
    const waiting = waitForSigterm();
    console.log("waiting");
    await waiting;
  `);
  await running.waitFor("waiting");
  running.kill("SIGINT");
  assertEquals(await endedBy(running), "SIGINT");
});

Deno.test("waitForShutdown keeps the program alive, and nothing does after it", async () => {
  await using running = await program(`
    import { waitForShutdown } from "@lapinmq/lapinmq";
    console.log("asked", await waitForShutdown({ timeoutMs: 100 }));
  `);
  assertEquals(await endedBy(running), 0);
  assertEquals(running.output.stdout, "asked false\n");
});
