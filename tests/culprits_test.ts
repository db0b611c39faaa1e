import { assertEquals } from "@std/assert";
import type { Send } from "../src/confirm_window.ts";
import { findCulprits } from "../src/culprits.ts";
import {
  AccessRefusedError,
  ChannelError,
  ConnectionError,
  ExchangeNotFoundError,
} from "../src/errors.ts";

function send(sequence: number, exchange: string, size = 1): Send {
  const body = new Uint8Array(size);
  return {
    message: {
      exchange,
      routingKey: "",
      body,
      properties: {},
      headers: undefined,
      mandatory: true,
    },
    messageId: `${sequence}`,
    bytes: size,
    sequence,
    deadline: 0,
    settled: false,
    written: true,
    rewritten: false,
    returned: undefined,
  };
}

const numbers = (sends: Send[]) => sends.map(({ sequence }) => sequence);
const open = [send(1, "a"), send(2, "b", 200), send(3, "a"), send(4, "b")];
const inFlight = open.slice(0, 2);

Deno.test("findCulprits names all open sends to the exchange that the broker spoke of", () => {
  const cause = new ExchangeNotFoundError("no exchange", { exchange: "a" });
  assertEquals(numbers(findCulprits(cause, inFlight, open)), [1, 3]);
});

Deno.test("findCulprits names only the sends with the routing key that the user may not use", () => {
  const cause = new AccessRefusedError(
    "access to topic 'secret' in exchange 'a' in vhost '/' refused for user 'guest'",
    { exchange: "a" },
  );
  const [first, , third] = open;
  const refused = { ...third, message: { ...third.message, routingKey: "secret" } };
  assertEquals(numbers(findCulprits(cause, inFlight, [first, refused])), [3]);
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
      new ChannelError("UNEXPECTED_FRAME", { replyCode: 505 }),
      new ChannelError("INTERNAL_ERROR", { replyCode: 541 }),
    ]
  ) assertEquals(findCulprits(cause, inFlight.slice(0, 1), open), []);
});
