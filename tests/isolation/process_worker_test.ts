import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { deadline } from "@std/async/deadline";
import { ConfigurationError } from "../../src/errors.ts";
import { ProcessWorker } from "../../src/isolation/process_worker.ts";
import type { WireMessage, WireOutcome } from "../../src/isolation/wire.ts";
import { eventually } from "../support/eventually.ts";
import { dataModule, isThere, processOf, wireMessage } from "../support/task_processes.ts";

Deno.test("ProcessWorker runs one message after another in the same process", async () => {
  await using worker = await processOf(`
    let count = 0;
    export default defineTask((message) => {
      if (message.text() !== "hello") throw new Error(message.text());
      return ++count === 2 ? MessageStatus.FAIL_DO_NOT_RETRY : MessageStatus.SUCCESS;
    });`);
  const message = wireMessage({ body: new TextEncoder().encode("hello") });
  assertEquals(await worker.run(message), { kind: "ack" });
  assertEquals(await worker.run(message), { kind: "reject" });
  assertEquals(await worker.run(message), { kind: "ack" });
});

Deno.test("ProcessWorker hands over every kind of value", async () => {
  const headers = {
    text: "é€😀",
    integer: 2 ** 53,
    big: 2n ** 63n - 1n,
    negative: -1n,
    fraction: 0.1,
    yes: true,
    nothing: null,
    when: new Date(1_700_000_000_000),
    bytes: new Uint8Array([0, 255, 1]),
    list: [1, [new Date(0)], { deep: new Uint8Array([7]) }],
  };
  await using worker = await processOf(`
    export default defineTask((message) => {
      const { headers } = message;
      if (headers.text !== "é€😀" || headers.integer !== 2 ** 53) throw new Error("numbers");
      if (headers.big !== 2n ** 63n - 1n || headers.negative !== -1n) throw new Error("bigints");
      if (headers.fraction !== 0.1 || headers.yes !== true || headers.nothing !== null) throw new Error("rest");
      if (!(headers.when instanceof Date) || headers.when.getTime() !== 1_700_000_000_000) throw new Error("date");
      if (headers.bytes.constructor !== Uint8Array || String(headers.bytes) !== "0,255,1") throw new Error("bytes");
      if (!(headers.list[1][0] instanceof Date) || headers.list[2].deep[0] !== 7) throw new Error("deep");
      const { timestamp, messageId } = message.properties;
      if (!(timestamp instanceof Date) || messageId !== "id") throw new Error("properties");
      if (message.exchange !== "e" || message.routingKey !== "k" || !message.redelivered) throw new Error("fields");
      return MessageStatus.SUCCESS;
    });`);
  const outcome = await worker.run(wireMessage({
    exchange: "e",
    routingKey: "k",
    redelivered: true,
    properties: { kind: "value", value: { timestamp: new Date(0), messageId: "id" } },
    headers: { kind: "value", value: headers },
  }));
  assertEquals(outcome, { kind: "ack" });
});

Deno.test("ProcessWorker hands over a body and a header that are empty", async () => {
  await using worker = await processOf(`
    export default defineTask(({ body, headers: { none } }) => {
      for (const bytes of [body, none]) {
        if (bytes.constructor !== Uint8Array || bytes.length > 0) throw new Error(String(bytes));
      }
      return MessageStatus.SUCCESS;
    });`);
  const headers = { kind: "value", value: { none: new Uint8Array() } } as const;
  const message = wireMessage({ body: new Uint8Array(), headers });
  assertEquals(await worker.run(message), { kind: "ack" });
});

Deno.test("ProcessWorker hands over headers that cannot be decoded as such", async () => {
  await using worker = await processOf(`
    export default defineTask((message) => message.headers && MessageStatus.SUCCESS);`);
  const outcome = await worker.run(wireMessage({
    headers: { kind: "unreadable", error: { name: "MessageDecodeError", message: "Cannot" } },
  }));
  assertEquals(outcome.kind, "reject");
});

Deno.test("ProcessWorker hands over large bodies, and of shared memory only what is shown", async () => {
  await using worker = await processOf(`
    export default defineTask(({ body }) => {
      const { byteLength } = body.buffer;
      if (byteLength !== body.length) throw new Error("it holds " + byteLength + " bytes");
      return body[0] === 1 && body.at(-1) === 2 ? MessageStatus.SUCCESS : MessageStatus.FAIL_RETRY_LATER;
    });`);
  const memory = new Uint8Array(8 << 20);
  for (const length of [2, 1024, 4 << 20]) {
    const body = memory.subarray(1024, 1024 + length);
    body.fill(0);
    body[0] = 1;
    body[length - 1] = 2;
    assertEquals(await worker.run(wireMessage({ body })), { kind: "ack" });
    assertEquals(body.length, length);
  }
});

Deno.test("ProcessWorker aborts the signal of the message that is worked on", async () => {
  await using worker = await processOf(`
    export default defineTask(async ({ signal }) => {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      throw signal.reason;
    });`);
  const outcome = worker.run(wireMessage({}));
  worker.abort(new DOMException("It took too long", "TimeoutError"));
  const { kind, failure } = await outcome;
  assertEquals([kind, failure?.name, failure?.message], [
    "retry",
    "TimeoutError",
    "It took too long",
  ]);
});

const ENDS: [string, string, RegExp][] = [
  ["Deno.exit", "Deno.exit(3);", /ended with code 3$/],
  [
    "an uncaught error",
    `setTimeout(() => { throw new RangeError("nobody"); }); await new Promise(() => {});`,
    /ended, as nobody caught an error: RangeError: nobody$/,
  ],
  [
    "an unhandled rejection",
    `Promise.reject(new RangeError("nobody")); await new Promise(() => {});`,
    /ended, as nobody caught an error: RangeError: nobody$/,
  ],
  ["a signal", `Deno.kill(Deno.pid, "SIGKILL"); while (true);`, /by signal SIGKILL/],
  [
    "no memory",
    "const all = []; while (true) all.push(new Array(100_000).fill({}));",
    /by signal SIG[A-Z]+ \(out of memory\?\)$/,
  ],
  [
    "a closed channel",
    `process.disconnect(); await new Promise(() => setInterval(() => {}, 1_000));`,
    /ended with code 0$/,
  ],
];

for (const [what, source, message] of ENDS) {
  Deno.test(`ProcessWorker tells that its process ended by ${what}`, async () => {
    await using worker = await processOf(
      `import process from "node:process";
       export default defineTask(async () => { ${source} });`,
      { runFlags: ["--v8-flags=--max-old-space-size=64"] },
    );
    const error = await assertRejects(() => worker.run(wireMessage({})), Error);
    assert(message.test(error.message), error.message);
    assertEquals(await worker.ended, error);
    await assertRejects(() => worker.run(wireMessage({})), Error, error.message);
  });
}

Deno.test("ProcessWorker tells that an idle process ended", async () => {
  await using worker = await processOf(`
    setTimeout(() => Deno.exit(4), 100);
    export default defineTask(() => MessageStatus.SUCCESS);`);
  const { message } = await worker.ended;
  assert(message.endsWith("ended with code 4"), message);
});

Deno.test("ProcessWorker does not lose an answer to the end that follows it", async () => {
  await using worker = await processOf(`
    export default defineTask(() => {
      setTimeout(() => Deno.exit(0), 50);
      return MessageStatus.SUCCESS;
    });`);
  assertEquals(await worker.run(wireMessage({})), { kind: "ack" });
  await worker.ended;
});

Deno.test("ProcessWorker kills a process in a busy loop", async () => {
  await using worker = await processOf(`
    export default defineTask(() => { console.error("busy", Deno.pid); while (true); });`);
  const outcome = worker.run(wireMessage({}));
  const [ended] = await Promise.all([worker.end(), assertRejects(() => outcome, Error)]);
  assertEquals(ended, true);
});

Deno.test("ProcessWorker kills a process that does not end by itself", async () => {
  await using worker = await processOf(`
    import process from "node:process";
    process.removeAllListeners("disconnect");
    setInterval(() => {}, 1_000);
    export default defineTask(() => MessageStatus.SUCCESS);`);
  assertEquals(await worker.end(), true);
});

Deno.test("ProcessWorker lets an idle process end politely", async () => {
  const file = await Deno.makeTempFile();
  await using worker = await processOf(`
    addEventListener("unload", () => Deno.writeTextFileSync(${JSON.stringify(file)}, "unloaded"));
    export default defineTask(() => MessageStatus.SUCCESS);`);
  assertEquals(await worker.end(), true);
  assertEquals(await worker.end(), true);
  assertEquals(await Deno.readTextFile(file), "unloaded");
  await Deno.remove(file);
});

Deno.test("ProcessWorker does not wait for programs that the task has started", async () => {
  await using worker = await processOf(`
    const stdio = { stdin: "null", stdout: "null", stderr: "null" };
    export default defineTask(({ routingKey }) => {
      if (routingKey === "exit") Deno.exit(6);
      const { pid } = new Deno.Command("sleep", { args: ["60"], ...stdio }).spawn();
      throw new Error(String(pid));
    });`);
  const { failure } = await worker.run(wireMessage({}));
  const outcome = worker.run(wireMessage({ routingKey: "exit" }));
  const exited = await deadline(assertRejects(() => outcome, Error, "code 6"), 30_000);
  Deno.kill(Number(failure?.message), "SIGKILL");
  assertEquals(await worker.ended, exited);
});

Deno.test("ProcessWorker keeps its channel from the task, which might fill the memory of the program", async () => {
  await using worker = await processOf(`
    import process from "node:process";
    export default defineTask(() => {
      const own = ["send", "_send"].filter((name) => process[name] !== undefined);
      throw new Error("can write by " + own.join());
    });`);
  assertEquals((await worker.run(wireMessage({}))).failure?.message, "can write by ");
});

Deno.test("ProcessWorker takes in no more than the beginning of an error", async () => {
  await using worker = await processOf(`
    export default defineTask(() => {
      String.prototype.slice = function () { return this; };
      globalThis.String = () => "long".repeat(50_000_000);
      const cause = Object.assign(new Error("why"), { stack: "where".repeat(10_000_000) });
      throw new TypeError("long".repeat(10_000_000), { cause });
    });`);
  const { failure } = await worker.run(wireMessage({}));
  assertEquals(failure?.name, "TypeError");
  const texts = [failure?.message, failure?.stack, failure?.cause?.stack];
  assertEquals(texts.map((text) => text?.length), [16_386, 16_386, 16_386]);
  assertEquals(failure?.message.slice(-6), "long …");
});

Deno.test("ProcessWorker ignores the signals that are meant for the program", async () => {
  await using worker = await processOf(`
    export default defineTask(async () => { throw new Error(String(Deno.pid)); });`);
  const pid = Number((await worker.run(wireMessage({}))).failure?.message);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) Deno.kill(pid, signal);
  assertEquals((await worker.run(wireMessage({}))).failure?.message, String(pid));
});

async function failsToLoad(href: string, runFlags: string[] = []): Promise<Error> {
  const worker = new ProcessWorker(href, { permissions: "inherit", runFlags });
  const error = await assertRejects(() => worker.ready, Error);
  await worker.ended;
  return error;
}

Deno.test("ProcessWorker tells why a module cannot be used", async () => {
  const error = (source: string) => failsToLoad(dataModule(source));
  const thrown = await error(`throw new RangeError("boom")`);
  assertInstanceOf(thrown, ConfigurationError);
  assert(thrown.message.includes("boom"), thrown.message);
  assertEquals((thrown.cause as Error).name, "RangeError");
  for (
    const [failed, text] of [
      [error("export default 1 +"), "Expression expected"],
      [error("export default () => {}"), "defineTask"],
      [error("Deno.exit(5)"), "ended with code 5 before it was loaded"],
      [failsToLoad("file:///no/such.ts"), "Module not found"],
    ] as const
  ) {
    const { name, message } = await failed;
    assertEquals([name, message.includes(text) || message], ["ConfigurationError", true]);
  }
});

Deno.test("ProcessWorker tells that Deno does not know a flag", async () => {
  const error = await failsToLoad(dataModule(""), ["--no-such-flag"]);
  assertInstanceOf(error, ConfigurationError);
  assert(error.message.includes("ended with code 1 before it was loaded"), error.message);
});

Deno.test("ProcessWorker leaves no process behind", async () => {
  const pids: number[] = [];
  for (const source of ["throw new Error(String(Deno.pid));", "Deno.exit(1);", "while (true);"]) {
    await using worker = await processOf(
      `export default defineTask(({ routingKey }) => {
         if (routingKey === "pid") throw new Error(String(Deno.pid));
         ${source}
       });`,
    );
    pids.push(Number((await worker.run(wireMessage({ routingKey: "pid" }))).failure?.message));
    const outcome: Promise<WireOutcome | Error> = worker.run(wireMessage({})).catch((error) =>
      error
    );
    await worker.end();
    await outcome;
  }
  for (const pid of pids) {
    await eventually(`process ${pid} is gone`, () => !isThere(pid));
  }
});

Deno.test("ProcessWorker works on what comes while others compute", async () => {
  const source = `
    export default defineTask(() => {
      const end = performance.now() + 300;
      while (performance.now() < end);
      return MessageStatus.SUCCESS;
    });`;
  await using one = await processOf(source);
  await using other = await processOf(source);
  const message: WireMessage = wireMessage({});
  assertEquals(await Promise.all([one.run(message), other.run(message)]), [
    { kind: "ack" },
    { kind: "ack" },
  ]);
});
