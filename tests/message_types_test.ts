/** What the compiler lets a program do with a message that it has received. */

import { assertEquals } from "@std/assert";
import {
  type FieldTable,
  Message,
  type MessageProperties,
  type SendMessageOptions,
  type SendToQueueOptions,
} from "../mod.ts";
import type { Delivery } from "../src/amqp/driver.ts";
import { prepareMessage, prepareMessageToQueue } from "../src/send_options.ts";

function messageForTest(body: Uint8Array): Message {
  const delivery: Delivery = {
    tag: 1,
    redelivered: false,
    exchange: "",
    routingKey: "work",
    body,
    properties: { messageId: "id", deliveryMode: 1, timestamp: new Date(5_000) },
    headers: { tenant: 1_000, big: 2n ** 60n },
  };
  const settled = () => true;
  return new Message(delivery, {
    ack: settled,
    reject: settled,
    rejectRetry: settled,
    signal: new AbortController().signal,
  });
}

Deno.test("Message.body goes into a Response, a Request, a Blob and a digest as it is", async () => {
  for (const memory of [new ArrayBuffer(3), new ArrayBuffer(9), new SharedArrayBuffer(3)]) {
    const body = new Uint8Array(memory, 0, 3);
    body.set([1, 2, 3]);
    const message = messageForTest(body);
    const own: Uint8Array<ArrayBuffer> = message.body;
    const request = new Request("http://broker.example", { method: "POST", body: message.body });
    const arrived = [
      await new Response(message.body).bytes(),
      await request.bytes(),
      await new Blob([message.body]).bytes(),
    ];
    for (const bytes of arrived) assertEquals([...bytes], [1, 2, 3]);
    assertEquals((await crypto.subtle.digest("SHA-256", message.body)).byteLength, 32);
    assertEquals([own.buffer instanceof ArrayBuffer, own.buffer.byteLength], [true, 3]);
  }
});

Deno.test("Message.headers and Message.properties can be given to a send as they are", () => {
  const message = messageForTest(new Uint8Array([1]));
  const headers: FieldTable = message.headers;
  const properties: MessageProperties = message.properties;
  const toExchange: SendMessageOptions = {
    exchange: "color",
    body: message.body,
    headers: message.headers,
    ...message.properties,
  };
  const toQueue: SendToQueueOptions = {
    queueName: "next",
    body: message.body,
    headers,
    ...properties,
  };
  for (
    const sent of [
      prepareMessage(toExchange, () => "new"),
      prepareMessageToQueue(toQueue, () => "new"),
    ]
  ) {
    assertEquals(sent.headers, { tenant: 1_000, big: 2n ** 60n });
    assertEquals(sent.properties.messageId, "id");
    assertEquals(sent.properties.timestamp, new Date(5_000));
  }
});
