import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import * as lapinmq from "../mod.ts";

const target = { exchange: "color", routingKey: "black", messageId: "id-1" };
const cause = new Error("the cause");

/** One of each class, with its code and the classes that it extends. */
const ERRORS: [lapinmq.LapinmqError, code: string, parent: unknown][] = [
  [new lapinmq.LapinmqError("m", { cause }), "LAPINMQ", Error],
  [new lapinmq.ConfigurationError("m", { cause }), "CONFIGURATION", lapinmq.LapinmqError],
  [new lapinmq.ConnectionError("m", { cause }), "CONNECTION", lapinmq.LapinmqError],
  [new lapinmq.AuthenticationError("m", { cause }), "AUTHENTICATION", lapinmq.ConnectionError],
  [new lapinmq.ChannelError("m", { cause }), "CHANNEL", lapinmq.LapinmqError],
  [new lapinmq.QueueNotFoundError("m", { cause }), "QUEUE_NOT_FOUND", lapinmq.ChannelError],
  [new lapinmq.ExchangeNotFoundError("m", { cause }), "EXCHANGE_NOT_FOUND", lapinmq.ChannelError],
  [new lapinmq.AccessRefusedError("m", { cause }), "ACCESS_REFUSED", lapinmq.ChannelError],
  [new lapinmq.MessageDecodeError("m", { cause }), "MESSAGE_DECODE", lapinmq.LapinmqError],
  [new lapinmq.PublishError("m", target, { cause }), "PUBLISH", lapinmq.LapinmqError],
  [
    new lapinmq.PublisherStoppedError("m", target, cause),
    "PUBLISHER_STOPPED",
    lapinmq.PublishError,
  ],
  [new lapinmq.ConnectionLostError(target, cause), "CONNECTION_LOST", lapinmq.PublishError],
  [
    new lapinmq.ConfirmTimeoutError(target, 10, true, "why", cause),
    "CONFIRM_TIMEOUT",
    lapinmq.PublishError,
  ],
];

Deno.test("every error has the name of its class, its code and its cause", () => {
  for (const [error, code, parent] of ERRORS) {
    assertEquals(error.name, error.constructor.name);
    assertEquals(error.code, code, error.name);
    assertEquals(error.cause, cause, error.name);
    assertInstanceOf(error, parent as typeof Error);
    assert(error.stack!.includes(error.name), error.stack);
  }
});

Deno.test("an error without a cause has no such property", () => {
  assert(!("cause" in new lapinmq.LapinmqError("m")));
  assert(!("cause" in new lapinmq.ConfirmTimeoutError(target, 10, true, "why")));
});

Deno.test("every publish error names what cannot be done, the destination, and what to do", () => {
  const errors = [
    new lapinmq.UnroutableError(target, "NO_ROUTE"),
    new lapinmq.NackedError(target),
    new lapinmq.ConfirmTimeoutError(target, 10, true, "why"),
    new lapinmq.ConfirmTimeoutError(target, 10, false, "why"),
    new lapinmq.PublisherOverflowError(target, "maxBufferedMessages (1)"),
    new lapinmq.ConnectionLostError(target),
  ];
  for (const error of errors) {
    assert(/^Cannot [^:]+: .+: .+/s.test(error.message), error.message);
    assert(error.message.includes(`exchange "color" with routing key "black"`), error.message);
    assert(error.message.includes("id-1"), error.message);
    assertEquals([error.exchange, error.routingKey, error.messageId], ["color", "black", "id-1"]);
  }
});

Deno.test("a publish error to a queue names the queue", () => {
  const { message } = new lapinmq.NackedError({ ...target, exchange: "" });
  assert(message.includes(`queue "black"`), message);
});

Deno.test("LapinmqErrorCode lists every code once, tells what it means, and none that is not in use", async () => {
  const sources = new Map<string, string>();
  const read = async (folder: URL) => {
    for await (const { name, isFile } of Deno.readDir(folder)) {
      if (!isFile) await read(new URL(`${name}/`, folder));
      else sources.set(name, await Deno.readTextFile(new URL(name, folder)));
    }
  };
  await read(new URL("../src/", import.meta.url));
  const own = sources.get("errors.ts")!;
  const codes = [...own.matchAll(/^ {2}\| "([A-Z_]+)"/gm)].map(([, code]) => code);
  const explained = [...own.matchAll(/^ \* \| `([A-Z_]+)` \| `[A-Za-z]+` \| .+ \|$/gm)]
    .map(([, code]) => code);
  assertEquals(explained, codes);
  assertEquals(new Set(codes).size, codes.length);
  const all = [...sources.values()].join("\n").replace(/^ {2}\| ".*$/gm, "");
  for (const code of codes) assert(all.includes(`"${code}"`), `${code} is given by nobody`);
});
