import { assert, assertEquals } from "@std/assert";
import { ROOT } from "../../tools/launch.ts";
import { broker, isVersion4 } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { program } from "../support/program.ts";
import { topology } from "../support/topology.ts";

/** The program under a heading of the README. */
async function programOf(heading: string): Promise<string> {
  const readme = await Deno.readTextFile(`${ROOT}README.md`);
  const [, source] = new RegExp(`\n## ${heading}\n[^]*?\`\`\`ts\n([^]*?)\`\`\``).exec(readme) ?? [];
  assert(source !== undefined, `README.md has a program under "${heading}"`);
  return source;
}

Deno.test({
  name:
    "README: a message that its Receive program fails with for too long ends in its dead-letter queue",
  // RabbitMQ 3 has no limit of its own: there the message is tried for ever.
  ignore: !isVersion4,
  fn: async () => {
    await using made = await topology();
    // Names of our own, as the broker may be in use.
    const queue = made.unused();
    const names = [queue, made.unused(), made.unused()];
    const exchanges = ["color", "direct_logs", "news", "topic_logs"];
    try {
      let queues = (await programOf("Queues and exchanges"))
        .replace("amqp://localhost", broker.url)
        .replace("npm:amqplib@^2.3.1", "amqplib");
      for (const [index, name] of ["task_queue", "results", "transcode"].entries()) {
        queues = queues.replace(`"${name}"`, `"${names[index]}"`);
      }
      await using declaring = await program(queues);
      assertEquals((await declaring.ended).code, 0, declaring.output.stderr);

      // What the task calls is out of order. There is no delay, so that the test is short.
      await using server = Deno.serve(
        { port: 0, hostname: "127.0.0.1", onListen: () => {} },
        () => new Response("out of order", { status: 503 }),
      );
      const receive = (await programOf("Receive"))
        .replace(`"task_queue"`, `"${queue}"`)
        .replace("workers: 3,", "workers: 3,\n  retryDelayMs: 0,");
      assert(receive.includes("retryDelayMs: 0"));
      await using receiving = await program(receive);
      const url = `http://127.0.0.1:${server.addr.port}/`;
      await made.fill(queue, ["no JSON"]);
      await receiving.waitFor("a message was rejected");
      await made.fill(queue, [1, 2, 3].map((id) => JSON.stringify({ url, id })));
      await eventually("all are dead letters", async () => {
        return await made.count(`${queue}.dead`) === 4;
      });
      receiving.kill("SIGINT");
      assertEquals((await receiving.ended).code, 0, receiving.output.stderr);
      const dead = await made.takeAll(`${queue}.dead`);
      const reasons = dead.map(({ properties }) => properties.headers!["x-first-death-reason"]);
      assertEquals(reasons.toSorted(), [...Array(3).fill("delivery_limit"), "rejected"]);
      assertEquals(await made.count(queue), 0);
    } finally {
      for (const name of names) {
        await made.channel.deleteQueue(name);
        await made.channel.deleteQueue(`${name}.dead`);
      }
      for (const exchange of exchanges) await made.channel.deleteExchange(exchange);
    }
  },
});
