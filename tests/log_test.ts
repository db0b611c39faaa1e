import { assert, assertEquals } from "@std/assert";
import { type Logger, resolveLogger } from "../src/log.ts";
import { recordingLogger } from "./support/recording_logger.ts";

/** Collects what is printed with `console.warn` while the code runs. */
async function printed(code: () => unknown): Promise<string[]> {
  const lines: string[] = [];
  const { warn } = console;
  console.warn = (...words: unknown[]) => void lines.push(words.join(" "));
  try {
    await code();
  } finally {
    console.warn = warn;
  }
  return lines;
}

Deno.test("resolveLogger passes everything on to the user's logger", () => {
  const { logger, lines } = recordingLogger();
  const log = resolveLogger(logger);
  log.debug("a", 1);
  log.info("b");
  log.warn("c");
  log.error("d", 2);
  assertEquals(lines.map(({ level, message, data }) => [level, message, data]), [
    ["debug", "a", [1]],
    ["info", "b", []],
    ["warn", "c", []],
    ["error", "d", [2]],
  ]);
});

Deno.test("resolveLogger of null is silent", async () => {
  const log = resolveLogger(null);
  assertEquals(await printed(() => (log.info("a"), log.warn("b"), log.error("c"))), []);
});

Deno.test("resolveLogger prints problems only, and few of a storm", async () => {
  const log = resolveLogger(undefined);
  const lines = await printed(() => {
    log.info("an ordinary event");
    for (let index = 0; index < 1_000; index++) log.warn(`problem ${index}`);
  });
  assert(lines.length > 0 && lines.length <= 10, `${lines.length} lines`);
  assert(lines.every((line) => line.startsWith("lapinmq: problem ")));
});

Deno.test("resolveLogger survives a logger that throws or rejects", async () => {
  const failing = {
    debug: () => {},
    info: () => {},
    warn: () => {
      throw new Error("thrown");
    },
    error: () => Promise.reject(new Error("rejected")),
  } as Logger;
  const log = resolveLogger(failing);
  await printed(async () => {
    log.warn("a");
    log.error("b");
    // A rejection that nobody handles would end the program, and fail this test.
    await new Promise((resolve) => setTimeout(resolve));
  });
});

Deno.test("resolveLogger keeps the methods of a logger bound to it", () => {
  class Counting {
    count = 0;
    debug() {
      this.count++;
    }
    info() {
      this.count++;
    }
    warn() {
      this.count++;
    }
    error() {
      this.count++;
    }
  }
  const logger = new Counting();
  const { debug, info, warn, error } = resolveLogger(logger);
  for (const tell of [debug, info, warn, error]) tell("x");
  assertEquals(logger.count, 4);
});

Deno.test("resolveLogger escapes control characters, so that one problem is one line", () => {
  const { logger, lines } = recordingLogger();
  resolveLogger(logger).warn("a\n\u001bb");
  assertEquals(lines.map(({ message }) => message), ["a\\n\\u001bb"]);
});

Deno.test("resolveLogger prints again after a storm, although the clock was set back (76)", async () => {
  const log = resolveLogger(undefined);
  const [now, date] = [performance.now, Date.now];
  try {
    const lines = await printed(() => {
      for (let index = 0; index < 100; index++) log.warn("storm");
      Date.now = () => date() - 3_600_000;
      performance.now = () => now.call(performance) + 11_000;
      log.warn("afterwards");
    });
    assertEquals(lines.at(-1), "lapinmq: afterwards");
  } finally {
    performance.now = now;
    Date.now = date;
  }
});
