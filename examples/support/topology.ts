/**
 * Makes what an example needs, so that it runs on an empty broker.
 *
 * lapinmq does not declare durable queues and exchanges: whoever runs the broker does it, or the
 * program itself, as here, with the AMQP client that lapinmq is built on.
 */
import { delay } from "@std/async/delay";
import amqp from "amqplib";

interface Declared {
  queues?: readonly string[];
  exchanges?: Readonly<Record<string, "direct" | "topic" | "fanout">>;
}

/** Declares durable queues, which the broker deletes after an hour without use, and exchanges. */
export async function declare({ queues = [], exchanges = {} }: Declared): Promise<void> {
  const connection = await amqp.connect(address(), { timeout: 5_000 });
  const channel = await connection.createChannel();
  for (const queue of queues) {
    await channel.assertQueue(queue, { durable: true, expires: 3_600_000 });
  }
  for (const [exchange, type] of Object.entries(exchanges)) {
    await channel.assertExchange(exchange, type, { durable: true });
  }
  await connection.close();
}

/** The same, for a program that may be started while the broker is away: tries until it is there. */
export async function declareWhenThere(what: Declared): Promise<void> {
  for (;;) {
    try {
      return await declare(what);
    } catch (error) {
      // What the broker itself refuses will not pass.
      if (/ACCESS.REFUSED|NOT.ALLOWED|PRECONDITION.FAILED/.test(String(error))) throw error;
      console.log(`the broker is away: ${(error as Error).message}`);
      await delay(1_000);
    }
  }
}

/** The broker that lapinmq finds, too. */
function address() {
  const variable = (name: string) => Deno.env.get(`RABBITMQ_${name}`) || undefined;
  return variable("URL") ?? {
    hostname: variable("HOST") ?? "localhost",
    port: Number(variable("PORT") ?? 5672),
    username: variable("USERNAME") ?? "guest",
    password: variable("PASSWORD") ?? "guest",
    vhost: encodeURIComponent(variable("VHOST") ?? "/"),
  };
}
