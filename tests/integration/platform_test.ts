/** Platforms on which something is missing or forbidden: workers, few permissions, no Deno at all. */

import { assertEquals } from "@std/assert";
import { waitForShutdown, waitForSigterm } from "../../mod.ts";
import { program } from "../support/program.ts";

const IMPORT = `
  import { Connection, Consumer, MessageStatus, Publisher, waitForShutdown, waitForSigterm } from
    "@lapinmq/lapinmq";
`;

/** What every platform must be able to do without a throw. */
const TRY_EVERYTHING = `
  async function answers() {
    const connection = new Connection();
    const publisher = new Publisher({ connection });
    const taskFunction = () => MessageStatus.SUCCESS;
    const consumer = new Consumer({ connection, queueName: "q", taskFunction });
    const said = [
      await waitForSigterm(1),
      await waitForShutdown({ timeoutMs: 1 }),
      await waitForShutdown({ signal: AbortSignal.abort() }),
      publisher.health().status,
      consumer.health().status,
    ];
    await connection.close();
    return said.join();
  }
`;
const ANSWERS = "false,false,true,down,down";

Deno.test("waitForShutdown and waitForSigterm do not throw where there are no signals", async () => {
  const { addSignalListener } = Deno;
  Deno.addSignalListener = () => {
    throw new Deno.errors.NotSupported("no signals here");
  };
  try {
    assertEquals(await waitForSigterm(1), false);
    assertEquals(await waitForShutdown({ timeoutMs: 1 }), false);
    const controller = new AbortController();
    const waiting = waitForShutdown({ signal: controller.signal });
    controller.abort();
    assertEquals(await waiting, true);
  } finally {
    Deno.addSignalListener = addSignalListener;
  }
});

/** The program writes the answers and nothing else. */
async function assertWorks(source: string, flags: string[]): Promise<void> {
  await using running = await program(source, { flags });
  const { code } = await running.ended;
  assertEquals({ code, ...running.output }, { code: 0, stdout: `${ANSWERS}\n`, stderr: "" });
}

Deno.test("The library works without any permission, up to the connection", async () => {
  await assertWorks(`${IMPORT} ${TRY_EVERYTHING} console.log(await answers());`, []);
});

Deno.test("The library works where there is no Deno global, up to the connection", async () => {
  const source = `${IMPORT} ${TRY_EVERYTHING}
    delete (globalThis as { Deno?: unknown }).Deno;
    console.log(await answers());
  `;
  await assertWorks(source, []);
});

Deno.test("The library works in a worker without any permission, up to the connection", async () => {
  const source = `${IMPORT} ${TRY_EVERYTHING}
    if ("WorkerGlobalScope" in globalThis) {
      self.postMessage(await answers());
    } else {
      const worker = new Worker(import.meta.url, { type: "module", deno: { permissions: "none" } });
      worker.onmessage = (event) => {
        console.log(event.data);
        worker.terminate();
      };
    }
  `;
  await assertWorks(source, ["--allow-read", "--unstable-worker-options"]);
});

Deno.test("DENO_DEPLOY is not asked for where it may not be read: a user in a terminal would be prompted", async () => {
  const source = `${IMPORT}
    const asked: string[] = [];
    const get = Deno.env.get;
    Deno.env.get = (name) => {
      asked.push(name);
      return get.call(Deno.env, name);
    };
    ${TRY_EVERYTHING}
    await answers();
    await new Publisher().stop();
    console.log(asked.includes("DENO_DEPLOY") + "");
  `;
  for (const [flag, isAsked] of [["--allow-env=RABBITMQ_*", "false"], ["--allow-env", "true"]]) {
    await using running = await program(source, { flags: [flag] });
    const { code } = await running.ended;
    assertEquals([code, running.output], [0, { stdout: `${isAsked}\n`, stderr: "" }]);
  }
});
