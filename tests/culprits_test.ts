import { assertEquals } from "@std/assert";
import type { Send } from "../src/confirm_window.ts";
import { findCulprits, mayBreakConnection } from "../src/culprits.ts";
import {
  AccessRefusedError,
  ChannelError,
  ConnectionError,
  ExchangeNotFoundError,
} from "../src/errors.ts";

function send(sequence: number, exchange: string, size = 1, routingKey = ""): Send {
  const body = new Uint8Array(size);
  return {
    message: { exchange, routingKey, body, properties: {}, headers: undefined, mandatory: true },
    messageId: `${sequence}`,
    bytes: size,
    sequence,
    deadline: 0,
    expiresByItself: false,
    settled: false,
    written: true,
    rewritten: false,
    returned: undefined,
  };
}

/** What the broker sends of its words, as the client decodes it. */
function cut(words: string): string {
  const bytes = new TextEncoder().encode(words);
  if (bytes.length <= 255) return words;
  return `${new TextDecoder().decode(bytes.subarray(0, 252))}...`;
}

function missing(exchange: string): ChannelError {
  const replyText = cut(`NOT_FOUND - no exchange '${exchange}' in vhost '/'`);
  return new ExchangeNotFoundError("m", { replyText, replyCode: 404, method: "basic.publish" });
}

function refusedAccess(what: string): ChannelError {
  const replyText = cut(`ACCESS_REFUSED - ${what} in vhost '/' refused for user 'guest'`);
  return new AccessRefusedError("m", { replyText, method: "basic.publish" });
}

const numbers = (sends: Send[]) => sends.map(({ sequence }) => sequence);
const open = [send(1, "a"), send(2, "b", 200), send(3, "a"), send(4, "b")];
const inFlight = open.slice(0, 2);

Deno.test("findCulprits names all open sends to the exchange that the broker speaks of", () => {
  for (
    const cause of [
      missing("a"),
      refusedAccess("access to exchange 'a'"), // RabbitMQ 3
      refusedAccess("write access to exchange 'a'"), // RabbitMQ 4
      new AccessRefusedError("m", {
        replyText: "ACCESS_REFUSED - cannot publish to internal exchange 'a' in vhost '/'",
      }),
    ]
  ) assertEquals(numbers(findCulprits(cause, inFlight, open)), [1, 3]);
});

Deno.test("findCulprits names the default exchange where the broker refuses that", () => {
  const sends = [send(1, ""), send(2, "b"), send(3, "")];
  const cause = refusedAccess("write access to exchange 'amq.default'");
  assertEquals(numbers(findCulprits(cause, sends, sends)), [1, 3]);
  // An exchange of that name cannot exist, but it can be sent to.
  sends.push(send(4, "amq.default"));
  assertEquals(findCulprits(cause, sends, sends), []);
});

Deno.test("findCulprits names only the sends with the routing key that the user may not use", () => {
  const secret = "it's \n in exchange 'a' in vhost '/'";
  const sends = [send(1, "a"), send(2, "b", 1, secret), send(3, "a", 1, secret), send(4, "a")];
  for (const may of ["access", "write access"]) {
    const cause = refusedAccess(`${may} to topic '${secret}' in exchange 'a'`);
    assertEquals(numbers(findCulprits(cause, sends, sends)), [3]);
  }
});

for (
  const name of [
    "it's",
    "a' in vhost '/",
    "b' in vhost 'a",
    "line\r\nbreak",
    `"quoted"`,
    "é€😀",
    "x".repeat(230),
    "x".repeat(255),
    "é".repeat(120),
    "é".repeat(127),
    `x${"é".repeat(127)}`,
    "😀".repeat(63),
    "ends with a replacement \uFFFD",
    "...",
    "%s~p",
  ]
) {
  Deno.test(`findCulprits tells an exchange that is named ${JSON.stringify(name)}`, () => {
    const sends = [send(1, "c"), send(2, name), send(3, "d"), send(4, `.${name}`)];
    assertEquals(numbers(findCulprits(missing(name), sends, sends)), [2]);
    const refusal = refusedAccess(`write access to exchange '${name}'`);
    assertEquals(numbers(findCulprits(refusal, sends, sends)), [2]);
  });
}

Deno.test("findCulprits names nobody where the words may be about several exchanges", () => {
  const long = "x".repeat(240);
  for (
    const [name, other] of [
      ["a' in vhost 'b", "a"],
      [`${long}1`, `${long}2`],
      [`${long}1`, long],
      ["é".repeat(120), "é".repeat(121)],
    ]
  ) {
    const sends = [send(1, other), send(2, name), send(3, "c"), send(4, name)];
    assertEquals(findCulprits(missing(name), sends, sends), [], name);
    // Once the culprit is alone in flight, nothing else can be meant.
    assertEquals(numbers(findCulprits(missing(name), sends.slice(1, 2), sends)), [2, 4], name);
  }
});

Deno.test("findCulprits blames nobody in place of one that was given up", () => {
  const givenUp = { ...send(1, "a' in vhost 'b"), settled: true };
  const innocent = send(2, "a");
  const cause = missing("a' in vhost 'b");
  assertEquals(findCulprits(cause, [givenUp, innocent], [innocent]), []);
  const unnamed = new ChannelError("PRECONDITION_FAILED - user_id", { replyCode: 406 });
  assertEquals(findCulprits(unnamed, [givenUp, innocent], [innocent]), []);
});

Deno.test("findCulprits blames nobody for what is no answer to a message", () => {
  const cause = new ChannelError("m", { replyCode: 406, method: "basic.ack" });
  assertEquals(findCulprits(cause, inFlight.slice(0, 1), open), []);
});

Deno.test("findCulprits names the sends over the size that the broker spoke of", () => {
  const cause = new ChannelError(
    "PRECONDITION_FAILED - message size 200 is larger than configured max size 100",
  );
  assertEquals(numbers(findCulprits(cause, inFlight, open)), [2]);
});

Deno.test("findCulprits names the only one in flight, and nobody where there are more", () => {
  const cause = new ChannelError("PRECONDITION_FAILED - invalid expiration", { replyCode: 406 });
  assertEquals(numbers(findCulprits(cause, inFlight.slice(1), open)), [2]);
  assertEquals(findCulprits(cause, inFlight, open), []);
  assertEquals(findCulprits(cause, [], open), []);
});

Deno.test("findCulprits blames no message for a lost connection or a fault of the broker's", () => {
  for (
    const cause of [
      new ConnectionError("lost"),
      new ConnectionError("INTERNAL_ERROR", { replyCode: 541 }),
      new ChannelError("UNEXPECTED_FRAME", { replyCode: 505 }),
      new ChannelError("INTERNAL_ERROR", { replyCode: 541 }),
    ]
  ) {
    assertEquals(findCulprits(cause, inFlight.slice(0, 1), open), []);
    assertEquals(mayBreakConnection(cause, inFlight), false);
  }
});

Deno.test("findCulprits blames a message with a long name beyond ASCII for an internal error alone", () => {
  const culprit = send(2, "é".repeat(100));
  const sends = [send(1, "x".repeat(255)), culprit];
  const cause = new ConnectionError("INTERNAL_ERROR", { replyCode: 541 });
  assertEquals([mayBreakConnection(cause, sends), findCulprits(cause, sends, sends)], [true, []]);
  assertEquals(numbers(findCulprits(cause, [culprit], sends)), [2]);
  assertEquals(mayBreakConnection(new ConnectionError("lost", { replyCode: 320 }), sends), false);
});
