import { assert, assertEquals } from "@std/assert";
import { amqplibDriver } from "../src/amqp/amqplib_driver.ts";
import type { Delivery, OutgoingMessage } from "../src/amqp/driver.ts";
import { ConfigurationError } from "../src/errors.ts";
import { prepareMessage } from "../src/send_options.ts";
import { AmqpServer, byte, frame, longlong, method, shortstr } from "./support/amqp_server.ts";
import { eventually } from "./support/eventually.ts";
import { caseName, casesToRun, randomOfCase } from "./support/fuzz.ts";
import { linkOptions } from "./support/scripted_driver.ts";
import { WildOptions } from "./support/wild_options.ts";

const CASES = 10_000;

const MAX_DATE_SECONDS = 8_640_000_000_000;

/** A number of seconds as it arrives. */
function arrivingSeconds(seconds: number): Date | number {
  return seconds <= MAX_DATE_SECONDS ? new Date(seconds * 1000) : seconds;
}

/** What a table is to arrive as: without what is undefined. */
function arriving(value: unknown): unknown {
  if (typeof value === "bigint") {
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }
  if (typeof value === "number") {
    const isLong = Number.isInteger(value) && value >= -(2 ** 63) && value < 2 ** 63;
    return isLong && !Number.isSafeInteger(value) ? BigInt(value) : value;
  }
  if (value === null || typeof value !== "object") return value;
  if (value instanceof Date) return arrivingSeconds(Math.floor(value.getTime() / 1000));
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (Array.isArray(value)) return value.map(arriving);
  return Object.fromEntries(
    Object.entries(value).filter(([, item]) => item !== undefined)
      .map(([key, item]) => [key, arriving(item)]),
  );
}

/** What a message is to arrive as. */
function expected(message: OutgoingMessage): Pick<Delivery, "body" | "properties" | "headers"> {
  const { timestamp, ...properties } = message.properties;
  const seconds = timestamp instanceof Date ? Math.floor(timestamp.getTime() / 1000) : timestamp;
  return {
    body: message.body,
    properties: {
      ...arriving(properties) as Delivery["properties"],
      deliveryMode: 2,
      ...(seconds === undefined ? {} : { timestamp: arrivingSeconds(seconds) }),
    },
    headers: arriving(message.headers ?? {}) as Delivery["headers"],
  };
}

Deno.test("prepareMessage refuses a message, or it arrives just as it was given (fuzz)", async () => {
  await using server = new AmqpServer();
  const [endpoint] = linkOptions().endpoints;
  const connection = await amqplibDriver.connect(
    {
      endpoint: { ...endpoint, hostname: server.hostname, port: server.port },
      heartbeatSeconds: 60,
      timeoutMs: 10_000,
      connectionName: undefined,
    },
    { closed: () => {}, blocked: () => {}, unblocked: () => {} },
    new AbortController().signal,
  );
  const arrived: Delivery[] = [];
  const channel = await connection.openChannel({
    confirm: () => {},
    returned: () => {},
    delivery: (delivery) => arrived.push(delivery),
    cancelled: () => {},
    closed: () => {},
  }, { confirms: true });
  await channel.consume("work", "tag");
  let lastTag = 0;
  server.client.received = (channel, header, body) =>
    server.client.send(
      method(channel, "basic.deliver", [
        ...shortstr("tag"),
        ...longlong(++lastTag),
        ...byte(0),
        ...shortstr(""),
        ...shortstr(""),
      ]),
      frame(2, channel, [...header]),
      body.length === 0 ? [] : frame(3, channel, [...body]),
    );

  const written: { index: number; message: OutgoingMessage }[] = [];
  let refused = 0;
  const cases = casesToRun(CASES);
  for (const index of cases) {
    const options = new WildOptions(randomOfCase(index)).options();
    try {
      const message = prepareMessage(options, () => `id-${index}`);
      channel.publish(message);
      written.push({ index, message });
    } catch (error) {
      if (error instanceof ConfigurationError && !error.message.startsWith("Cannot write")) {
        refused++;
        continue;
      }
      throw new Error(`Case ${caseName(index)}: ${Deno.inspect(options)}`, {
        cause: error,
      });
    }
  }
  await eventually("all have arrived", () => arrived.length === written.length);
  for (const [at, { index, message }] of written.entries()) {
    const { body, properties, headers } = arrived[at];
    assertEquals(
      { body, properties, headers },
      expected(message),
      `Case ${caseName(index)}`,
    );
  }
  // Both ways are taken, or the generator is of no use.
  const both = refused > CASES / 20 && written.length > CASES / 2;
  assert(both || cases.length < CASES, `${refused}, ${written.length}`);
  await connection.close(1_000);
});
