import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import type { Delivery } from "../src/amqp/driver.ts";
import { MessageDecodeError } from "../src/errors.ts";
import { Message } from "../src/message.ts";
import { deliveryForTest } from "./support/scripted_driver.ts";

const settlement = {
  ack: () => true,
  reject: () => true,
  rejectRetry: () => true,
  signal: new AbortController().signal,
};

const message = (delivery: Partial<Delivery>) => new Message(deliveryForTest(delivery), settlement);
const withBody = (...bytes: number[]) => message({ body: new Uint8Array(bytes) });
const withText = (text: string) => message({ body: new TextEncoder().encode(text) });

Deno.test("Message shows what was delivered", () => {
  const delivery = deliveryForTest({
    exchange: "color",
    routingKey: "black",
    redelivered: true,
    properties: { messageId: "id" },
    headers: { "x-delivery-count": 2 },
  });
  const { exchange, routingKey, redelivered, properties, headers, deliveryCount, body, signal } =
    new Message(delivery, settlement);
  assertEquals({ exchange, routingKey, redelivered, properties, headers, deliveryCount, body }, {
    exchange: "color",
    routingKey: "black",
    redelivered: true,
    properties: { messageId: "id" },
    headers: { "x-delivery-count": 2 },
    deliveryCount: 2,
    body: new Uint8Array(),
  });
  assert(signal === settlement.signal);
});

Deno.test("Message.text reads UTF-8, and nothing that is none", () => {
  assertEquals(withText("é😀\0").text(), "é😀\0");
  assertEquals(withBody().text(), "");
  for (const bytes of [[0xFF], [0xC3], [0xED, 0xA0, 0x80], [0xC0, 0x80]]) {
    const error = assertThrows(() => withBody(...bytes).text(), MessageDecodeError, "UTF-8");
    assert(error.cause !== undefined);
  }
});

Deno.test("Message.json reads JSON, and says what is wrong with what is none", () => {
  assertEquals(withText(`{"a":[1,null]}`).json(), { a: [1, null] });
  assertEquals(withText(" 1 ").json<number>(), 1);
  for (const text of ["", "{", "undefined", "NaN", "{'a':1}"]) {
    assertThrows(() => withText(text).json(), MessageDecodeError, "JSON");
  }
  assertThrows(() => withBody(0xFF).json(), MessageDecodeError, "UTF-8");
});

Deno.test("Message shows what it holds to console.log, as far as it can be decoded", () => {
  const whole = Deno.inspect(message({
    body: new TextEncoder().encode("hello"),
    exchange: "color",
    routingKey: "black",
    properties: { messageId: "id-1" },
    headers: { width: 3 },
  }));
  assertMatch(whole, /^Message \{/);
  for (
    const part of ["104, 101", `"color"`, `"black"`, `"id-1"`, "width: 3", "redelivered: false"]
  ) {
    assert(whole.includes(part), `${whole} lacks ${part}`);
  }
  const unreadable = Object.defineProperty(deliveryForTest(), "headers", {
    get: () => {
      throw new MessageDecodeError("Cannot read the headers");
    },
  });
  const broken = Deno.inspect(new Message(unreadable, settlement));
  assert(broken.includes("Cannot read the headers") && broken.includes(`"work"`), broken);
});
