/** An amqplib that is not as expected: it works, and the program is told so. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { FastLane } from "../../src/amqp/fast_lane.ts";
import { Connection, Consumer, MessageStatus, Publisher } from "../../mod.ts";
import { AmqpServer, byte, longlong } from "../support/amqp_server.ts";
import { recordingLogger } from "../support/recording_logger.ts";

const { of } = FastLane;

/** Sends a message, consumes, and looks at the health of all that take part. */
async function exchange() {
  let lastTag = 0;
  await using server = new AmqpServer((client, { name, channel }) => {
    if (name !== "basic.publish") return false;
    client.call(channel, "basic.ack", [...longlong(++lastTag), ...byte(0)]);
    return true;
  });
  const { logger, lines } = recordingLogger();
  const { hostname, port } = server;
  await using connection = new Connection({ hostname, port, logger });
  const publisher = new Publisher({ connection });
  await publisher.start();
  await publisher.sendMessageToQueue({ queueName: "work", body: "x" });
  const taskFunction = () => MessageStatus.SUCCESS;
  const consumer = new Consumer({ connection, queueName: "work", taskFunction });
  await consumer.start();
  const health = [connection, publisher, consumer].map((one) => one.health());
  const warnings = lines.filter(({ level }) => level === "warn").map(({ message }) => message);
  return { health, warnings };
}

Deno.test("health() has no note, and nothing is logged, where amqplib is as expected", async () => {
  const { health, warnings } = await exchange();
  for (const one of health) assertEquals([one.status, "note" in one], ["up", false]);
  assertEquals(warnings, []);
});

Deno.test("An amqplib that is not as expected works, is noted by health(), and logged once per process", async () => {
  const warned: string[] = [];
  // First its channels are not, then its connections.
  const changes: (typeof FastLane.of)[] = [
    (connection) => {
      const lane = of(connection);
      assert(lane !== undefined);
      const open = lane.open.bind(lane);
      lane.open = (owner, sink) => open(Object.assign(Object.create(owner), { ch: "1" }), sink);
      return lane;
    },
    () => undefined,
  ];
  for (const change of changes) {
    FastLane.of = change;
    try {
      const { health, warnings } = await exchange();
      for (const { status, note } of health) {
        assertEquals(status, "up");
        assertMatch(note ?? "no note", /through amqplib itself.*npm:amqplib@2\.3\.1/);
      }
      warned.push(...warnings);
    } finally {
      FastLane.of = of;
    }
  }
  assertEquals(warned.length, 1);
  assertMatch(warned[0], /through amqplib itself/);
});
