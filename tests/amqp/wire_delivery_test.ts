import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { FLAG } from "../../src/amqp/protocol.ts";
import { WireDelivery } from "../../src/amqp/wire_delivery.ts";
import { MessageDecodeError } from "../../src/errors.ts";
import { long, short, shortstr } from "../support/amqp_server.ts";

/** A delivery whose frame begins with three bytes of something else. */
function deliveryForTest(exchange: string, routingKey: string): WireDelivery {
  const bytes = Buffer.from([9, 9, 9, ...shortstr(exchange), ...shortstr(routingKey), 9]);
  return new WireDelivery(7, true, bytes, 3);
}

Deno.test("WireDelivery reads its exchange and routing key, of any length", () => {
  for (const exchange of ["", "logs", "é€😀", "x".repeat(255)]) {
    for (const routingKey of ["", "a.b", "€".repeat(85)]) {
      const delivery = deliveryForTest(exchange, routingKey);
      assertEquals([delivery.exchange, delivery.routingKey], [exchange, routingKey]);
    }
  }
});

Deno.test("WireDelivery has its header once that was set, and the body that it announced is missing", () => {
  const delivery = deliveryForTest("", "");
  assertEquals([delivery.hasHeader, delivery.missing], [false, 0]);
  delivery.setHeader(Buffer.from(short(0)), 5);
  assertEquals([delivery.hasHeader, delivery.missing, delivery.body.length], [true, 5, 0]);
  assertEquals([delivery.properties, delivery.headers], [{}, {}]);
});

Deno.test("WireDelivery decodes properties and headers once", () => {
  const delivery = deliveryForTest("", "");
  const table = [...shortstr("k"), "V".charCodeAt(0)];
  delivery.setHeader(
    Buffer.from([
      ...short(FLAG.headers | FLAG.messageId),
      ...[...long(table.length), ...table],
      ...shortstr("id"),
    ]),
    0,
  );
  assertEquals([delivery.properties, delivery.headers], [{ messageId: "id" }, { k: null }]);
  assertStrictEquals(delivery.properties, delivery.properties);
  assertStrictEquals(delivery.headers, delivery.headers);
});

Deno.test("WireDelivery whose headers cannot be decoded has its properties and body all the same", () => {
  const delivery = deliveryForTest("", "work");
  const table = [...shortstr("k"), "?".charCodeAt(0)];
  delivery.setHeader(
    Buffer.from([
      ...short(FLAG.headers | FLAG.messageId),
      ...[...long(table.length), ...table],
      ...shortstr("id"),
    ]),
    0,
  );
  for (let count = 0; count < 2; count++) {
    assertThrows(() => delivery.headers, MessageDecodeError);
  }
  assertEquals([delivery.properties, delivery.routingKey], [{ messageId: "id" }, "work"]);
});
