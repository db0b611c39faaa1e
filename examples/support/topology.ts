/**
 * Makes what an example needs, so that it runs on an empty broker.
 *
 * lapinmq does not declare durable queues and exchanges: whoever runs the broker does it, or the
 * program itself, as here, with the AMQP client that lapinmq is built on.
 */
import amqp from "amqplib";

/** Declares durable queues, which the broker deletes after an hour without use, and exchanges. */
export async function declare(
  { queues = [], exchanges = {} }: {
    queues?: readonly string[];
    exchanges?: Readonly<Record<string, "direct" | "topic" | "fanout">>;
  },
): Promise<void> {
  const connection = await amqp.connect(address());
  const channel = await connection.createChannel();
  for (const queue of queues) {
    await channel.assertQueue(queue, { durable: true, expires: 3_600_000 });
  }
  for (const [exchange, type] of Object.entries(exchanges)) {
    await channel.assertExchange(exchange, type, { durable: true });
  }
  await connection.close();
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
