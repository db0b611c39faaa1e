import { assert, assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { ConfigurationError } from "../src/errors.ts";
import {
  prepareMessage,
  prepareMessageToQueue,
  sendCallbacks,
  type SendMessageOptions,
} from "../src/send_options.ts";

const prepare = (options: object) =>
  prepareMessage({ exchange: "color", ...options } as SendMessageOptions, () => "new-id");
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

Deno.test("prepareMessage encodes each kind of body, with its content type (failure mode 40)", () => {
  const cases: [object, body: string, contentType: string][] = [
    [{ body: "é" }, "é", "text/plain; charset=utf-8"],
    [{ body: "" }, "", "text/plain; charset=utf-8"],
    [{ body: new Uint8Array([97]) }, "a", "application/octet-stream"],
    [{ body: Buffer.from("b") }, "b", "application/octet-stream"],
    [{ json: { a: [1] } }, `{"a":[1]}`, "application/json"],
    [{ json: null }, "null", "application/json"],
    [{ json: 0, contentType: "application/x" }, "0", "application/x"],
  ];
  for (const [options, body, contentType] of cases) {
    const message = prepare(options);
    assertEquals([text(message.body), message.properties.contentType], [body, contentType]);
    assertEquals(message.body.constructor, Uint8Array);
  }
});

Deno.test("prepareMessage copies what the program may change later", () => {
  const body = new Uint8Array([1]);
  const headers = { deep: { list: [1] } };
  const timestamp = new Date(1_000);
  const shared = Buffer.from([1]);
  const messages = [prepare({ body, headers, timestamp }), prepare({ body: shared })];
  body[0] = 2;
  shared[0] = 2;
  headers.deep.list[0] = 2;
  timestamp.setTime(0);
  assertEquals(messages.map((message) => message.body[0]), [1, 1]);
  assertEquals(messages[0].headers, { deep: { list: [1] } });
  assertEquals(messages[0].properties.timestamp, new Date(1_000));
});

Deno.test("prepareMessage gives an id where there is none", () => {
  assertEquals(prepare({ body: "" }).properties.messageId, "new-id");
  assertEquals(prepare({ body: "", messageId: "given" }).properties.messageId, "given");
});

Deno.test("prepareMessageToQueue goes through the default exchange, to a queue with a name", () => {
  const message = prepareMessageToQueue({ queueName: "work", body: "" }, () => "id");
  assertEquals([message.exchange, message.routingKey, message.mandatory], ["", "work", true]);
  for (const queueName of ["", undefined, 5, "x".repeat(256)]) {
    assertThrows(
      () => prepareMessageToQueue({ queueName: queueName as string, body: "" }, () => "id"),
      ConfigurationError,
      `"queueName"`,
    );
  }
});

Deno.test("prepareMessage counts what a message holds beside its destination and its generated id", () => {
  const cases: [object, number][] = [
    [{ body: "12345" }, 5],
    [{ body: "", routingKey: "key", priority: 1 }, 0],
    [{ body: "1", correlationId: "123", messageId: "12" }, 6],
    [{ body: "1", headers: { a: "12" } }, 14],
  ];
  for (const [options, bytes] of cases) assertEquals(prepare(options).bytes, bytes);
});

Deno.test("prepareMessage is mandatory unless it is told otherwise", () => {
  assertEquals(
    [{}, { mandatory: true }, { mandatory: false }].map((options) =>
      prepare({ body: "", ...options }).mandatory
    ),
    [true, true, false],
  );
});

Deno.test("prepareMessage refuses bad options by name (failure modes 27 and 42)", () => {
  const circular: Record<string, unknown> = {};
  circular.again = circular;
  const bad: [object, names: string][] = [
    [{}, `"body"`],
    [{ body: null }, `"body"`],
    [{ body: 5 }, `"body"`],
    [{ body: [1] }, `"body"`],
    [{ body: new ArrayBuffer(1) }, `"body"`],
    [{ body: "a", json: 1 }, `"json"`],
    [{ json: circular }, `"json"`],
    [{ json: 10n }, `"json"`],
    [{ json: () => {} }, `"json"`],
    [{ body: "", exchange: undefined }, `"exchange"`],
    [{ body: "", routingKey: "x".repeat(256) }, `"routingKey"`],
    [{ body: "", routingKey: "half \ud83d" }, `"routingKey"`],
    [{ body: "", messageId: "half \ud83d" }, `"messageId"`],
    [{ body: "", messageId: 5 }, `"messageId"`],
    [{ body: "", expirationMs: -1 }, `"expirationMs"`],
    [{ body: "", expirationMs: 1.5 }, `"expirationMs"`],
    [{ body: "", expirationMs: "1000" }, `"expirationMs"`],
    [{ body: "", expirationMs: 2 ** 32 }, `"expirationMs"`],
    [{ body: "", priority: 256 }, `"priority"`],
    [{ body: "", priority: NaN }, `"priority"`],
    [{ body: "", timestamp: 5 }, `"timestamp"`],
    [{ body: "", timestamp: Date.now() }, `"timestamp"`],
    [{ body: "", timestamp: 2 ** 64 }, `"timestamp"`],
    [{ body: "", timestamp: 1e13 + 0.5 }, `"timestamp"`],
    [{ body: "", correlationId: "\udcff".repeat(256) }, `"correlationId"`],
    [{ body: "", correlationId: "\udcc3\udca9" }, `"correlationId"`],
    [{ body: "", routingKey: "raw \udcff" }, `"routingKey"`],
    [{ body: "", deliveryMode: 3 }, `"deliveryMode"`],
    [{ body: "", timestamp: new Date(NaN) }, `"timestamp"`],
    [{ body: "", timestamp: new Date(-1) }, `"timestamp"`],
    [{ body: "", headers: [] }, `"headers"`],
    [{ body: "", headers: { a: NaN } }, `"headers.a"`],
    [{ body: "", headers: circular }, `"headers`],
    [{ body: "", headers: { a: "x".repeat(70_000) } }, `"headers"`],
    [{ body: "", persistent: false }, `"persistent"`],
    [{ body: "", mandatory: "no" }, `"mandatory"`],
    [{ body: "", sendTimeoutMs: 0 }, `"sendTimeoutMs"`],
    [{ body: "", sendTimeoutMs: 2 ** 31 }, `"sendTimeoutMs"`],
    [{ body: "", signal: {} }, `"signal"`],
  ];
  for (const [options, name] of bad) {
    const { message } = assertThrows(() => prepare(options), ConfigurationError);
    assert(message.includes(name), message);
  }
  for (const options of [undefined, null, 5, "text", []]) {
    assertThrows(
      () => prepareMessage(options as unknown as SendMessageOptions, () => "id"),
      ConfigurationError,
    );
  }
});

Deno.test("sendCallbacks takes functions by their names, and nothing else", () => {
  const ackCallback = () => {};
  assertEquals(sendCallbacks({ callbacks: { ackCallback } }).ackCallback, ackCallback);
  for (const options of [undefined, null, {}, { callbacks: undefined }]) {
    assertEquals(sendCallbacks(options), {});
  }
  for (const callbacks of [5, [], null, { ackCallback: 5 }, { onAck: () => {} }]) {
    assertThrows(() => sendCallbacks({ callbacks }), ConfigurationError);
  }
});
