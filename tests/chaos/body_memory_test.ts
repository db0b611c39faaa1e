/** The memory of bodies, from which a slow socket reads long after the program has been told of an outcome. */

import { assert, assertEquals } from "@std/assert";
import { Publisher } from "../../mod.ts";
import { AmqpServer, byte, longlong } from "../support/amqp_server.ts";
import { connectionForTest } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { startProxy } from "../support/proxy.ts";
import { topology } from "../support/topology.ts";
import { QUICK } from "./support.ts";

/** More than the systems between take in by themselves. */
const BODY_BYTES = 2 * 1024 * 1024;
const COUNT = 12;
/** What the program writes over memory that it was handed. */
const OVERWRITTEN = 255;

const filled = (value: number, length = BODY_BYTES) => new Uint8Array(length).fill(value);

/** Nothing of the bodies that arrived was written over: each is all of one value, that of its send. */
function assertWhole(bodies: readonly Uint8Array[]): void {
  for (const body of bodies) {
    const other = body.findIndex((value) => value !== body[0]);
    assertEquals(other, -1, `A body of ${body[0]} has ${body[other]} at ${other}`);
    assert(body[0] !== OVERWRITTEN);
  }
}

for (const how of ["onSendFailure", "stop"] as const) {
  Deno.test(`78 a body that ${how} hands to the program is no longer written from`, async () => {
    await using made = await topology();
    const queue = await made.queue();
    await using proxy = startProxy();
    const { hostname, port } = proxy;
    await using connection = connectionForTest({ hostname, port, reconnect: QUICK });
    let handedOut = 0;
    const overwrite = (body: Uint8Array) => {
      body.fill(OVERWRITTEN);
      handedOut++;
    };
    const publisher = new Publisher({
      connection,
      sendTimeoutMs: how === "stop" ? 60_000 : 200,
      maxBufferedBytes: 1024 * BODY_BYTES,
      onSendFailure: (_error, { body }) => how === "stop" || overwrite(body),
    });
    // Keeps the connection open when the first one stops.
    const neighbour = new Publisher({ connection });
    await Promise.all([publisher.start(), neighbour.start()]);
    proxy.stall();
    for (let value = 1; value <= COUNT; value++) {
      void publisher.sendMessageToQueue({ queueName: queue, body: filled(value) });
    }
    if (how === "stop") {
      const { unknown } = await publisher.stop({ timeoutMs: 0 });
      for (const { body } of unknown) overwrite(body);
    } else {
      await publisher.flush();
    }
    assertEquals(handedOut, COUNT);
    proxy.read();
    // Behind all that was on its way.
    await neighbour.sendMessageToQueue({ queueName: queue, body: filled(COUNT + 1) });
    const bodies = (await made.takeAll(queue)).map(({ content }) => content);
    assertWhole(bodies);
    assert(bodies.length > 1, "Nothing but the last message arrived");
  });
}

Deno.test("78 a body is no longer written from when its memory is used for another, whatever is confirmed", async () => {
  const bodies: Uint8Array[] = [];
  await using server = new AmqpServer();
  await using proxy = startProxy(server);
  const { hostname, port } = proxy;
  await using connection = connectionForTest({ hostname, port });
  const publisher = new Publisher({ connection });
  await publisher.start();
  server.client.received = (_channel, _header, body) => bodies.push(body);
  proxy.stall();
  const send = (body: Uint8Array) => publisher.sendMessageToQueue({ queueName: "any", body });
  const size = 15 * 1024 * 1024;
  const first = send(filled(1, size));
  // The server cannot have received it.
  server.client.call(1, "basic.ack", [...longlong(1), ...byte(0)]);
  await first;
  const second = send(filled(2, size));
  proxy.read();
  await eventually("both have arrived", () => bodies.length === 2);
  server.client.call(1, "basic.ack", [...longlong(2), ...byte(0)]);
  await second;
  assertWhole(bodies);
});
