import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import {
  decodeProperties,
  decodeTable,
  encodeProperties,
  encodeTable,
  fromBuffer,
  toBuffer,
} from "../../src/amqp/properties.ts";
import { prepareMessage } from "../../src/send_options.ts";

Deno.test("encodeProperties makes every message persistent, and passes mandatory on", () => {
  for (const routingKey of ["work", "amq.rabbitmq.reply-to.abc"]) {
    const message = prepareMessage({ exchange: "", routingKey, body: "" }, () => "id");
    const { persistent, mandatory } = encodeProperties(message);
    // Older brokers return even what direct reply-to delivers.
    assertEquals([persistent, mandatory], [true, routingKey === "work"]);
  }
});

Deno.test("decodeProperties gives back what encodeProperties was given", () => {
  const properties = {
    contentType: "text/plain",
    contentEncoding: "gzip",
    priority: 3,
    correlationId: "c",
    replyTo: "r",
    expirationMs: 1_000,
    messageId: "m",
    timestamp: new Date(1_000_000),
    type: "t",
    userId: "u",
    appId: "a",
  };
  const message = prepareMessage({ exchange: "", body: "", ...properties }, () => "id");
  const encoded = encodeProperties(message);
  assertEquals([encoded.expiration, encoded.timestamp], ["1000", 1_000]);
  assertEquals(decodeProperties({ ...encoded, deliveryMode: 2 }), {
    ...properties,
    deliveryMode: 2,
  });
});

Deno.test("decodeProperties leaves out what is missing, or is not what it should be", () => {
  const foreign = {
    contentType: undefined,
    priority: "high",
    expiration: "soon",
    timestamp: "now",
    type: 5,
    headers: {},
    clusterId: "c",
  };
  assertEquals(decodeProperties(foreign), {});
});

Deno.test("encodeTable leaves out what is undefined, at every depth", () => {
  assertEquals(encodeTable({ a: undefined, b: { c: undefined, d: [{ e: undefined }] } }), {
    b: { d: [{}] },
  });
});

Deno.test("encodeTable notes the type of each number, as amqplib would choose others", () => {
  const types: [string, (number | bigint)[]][] = [
    ["double", [-0, 2 ** 50 + 0.5, -(2 ** 50) - 0.5, -(2 ** 64), 2 ** 63, 0.1, -1e300]],
    ["int32", [0, 1, -1, 127, 1_000, 2 ** 31 - 1, -(2 ** 31)]],
    ["int64", [2 ** 31, -(2 ** 31) - 1, 2 ** 53, -(2 ** 63), 2n ** 63n - 1n]],
  ];
  for (const [type, values] of types) {
    for (const value of values) {
      assertEquals(encodeTable({ value }), { value: { "!": type, value } });
    }
  }
  assertEquals(encodeTable({ value: 7n }), { value: { "!": "int32", value: 7 } });
});

Deno.test("decodeTable gives Dates and plain bytes, at every depth", () => {
  const date = { "!": "timestamp", value: 5 };
  const decoded = decodeTable({ date, deep: [{ date, bytes: Buffer.from([1]) }], nothing: null });
  assertEquals(decoded, {
    date: new Date(5_000),
    deep: [{ date: new Date(5_000), bytes: new Uint8Array([1]) }],
    nothing: null,
  });
  const [{ bytes }] = decoded.deep as { bytes: Uint8Array }[];
  assertEquals(bytes.constructor, Uint8Array);
  assertEquals(decodeTable(undefined), {});
});

Deno.test("decodeTable changes no prototype, whatever a key is called", () => {
  const table = JSON.parse(`{"__proto__":{"polluted":true},"constructor":1}`);
  const decoded = decodeTable(table);
  assertEquals(Object.getPrototypeOf(decoded), Object.prototype);
  assert(Object.hasOwn(decoded, "__proto__"));
  assertEquals(({} as { polluted?: boolean }).polluted, undefined);
});

Deno.test("toBuffer and fromBuffer share the bytes, and no more than those", () => {
  const bytes = new Uint8Array([0, 1, 2, 3]).subarray(1, 3);
  assertEquals([...toBuffer(bytes)], [1, 2]);
  assertEquals([...fromBuffer(toBuffer(bytes))], [1, 2]);
  assert(toBuffer(bytes).buffer === bytes.buffer);
});
