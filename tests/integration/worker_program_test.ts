/** A worker as it is deployed: a program of its own, ended by a signal. */

import { assert, assertEquals } from "@std/assert";
import { connectionForTest } from "../support/broker.ts";
import { Consumer } from "../../mod.ts";
import { eventually } from "../support/eventually.ts";
import { program } from "../support/program.ts";
import { notingTask } from "../support/tasks.ts";
import { topology } from "../support/topology.ts";

const BODIES = ["0", "1", "2", "3", "4", "5"];

/** Works on two messages at a time, each until the gate exists. */
const WORKER = (wait: string) => `
  import { Consumer, MessageStatus, waitForShutdown, waitForSigterm } from "@lapinmq/lapinmq";
  import { delay } from "@std/async/delay";

  async function gateIsOpen() {
    try {
      await Deno.stat(Deno.env.get("GATE")!);
      return true;
    } catch {
      return false;
    }
  }

  const consumer = new Consumer({
    queueName: Deno.env.get("QUEUE")!,
    workers: 2,
    prefetch: 6,
    taskFunction: async (message) => {
      console.log("begun " + message.text());
      while (!await gateIsOpen()) await delay(10);
      console.log("done " + message.text());
      return MessageStatus.SUCCESS;
    },
  });
  await consumer.start();
  await ${wait};
  console.log("asked to end");
  console.log(JSON.stringify(await consumer.stop()));
`;

for (
  const { wait, signal } of [
    { wait: "waitForSigterm()", signal: "SIGTERM" },
    { wait: "waitForShutdown()", signal: "SIGINT" },
  ] as const
) {
  Deno.test(`A worker that gets ${signal} ends what it runs, gives the rest away at once, and exits with 0`, async () => {
    await using made = await topology();
    const queue = await made.queue();
    await made.fill(queue, BODIES);
    const folder = await Deno.makeTempDir();
    const gate = `${folder}/gate`;
    try {
      await using worker = await program(WORKER(wait), {
        environment: { QUEUE: queue, GATE: gate },
      });
      await worker.waitFor("begun 1");
      await made.waitForCount(queue, 0);
      await using connection = connectionForTest();
      const others = notingTask();
      await new Consumer({ connection, queueName: queue, taskFunction: others }).start();
      worker.kill(signal);
      // While the two go on.
      await others.waitFor(4);
      assert(!worker.output.stdout.includes("done"), worker.output.stdout);
      await Deno.writeTextFile(gate, "");
      const status = await worker.ended;
      assertEquals([status.code, worker.output.stderr], [0, ""]);
      const lines = worker.output.stdout.trim().split("\n");
      assertEquals(lines.toSorted(), [
        "asked to end",
        "begun 0",
        "begun 1",
        "done 0",
        "done 1",
        '{"completed":2,"released":4,"abandoned":0}',
      ]);
      // Each was worked on once, and none is left.
      assertEquals(others.bodies, ["2", "3", "4", "5"]);
      await eventually("no message is left with anybody", async () => {
        const { consumerCount, messageCount } = await made.channel.checkQueue(queue);
        return consumerCount === 1 && messageCount === 0;
      });
      await connection.close();
      assertEquals(await made.count(queue), 0);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

Deno.test("A worker that is killed loses nothing: what it had not acknowledged is delivered again", async () => {
  await using made = await topology();
  const queue = await made.queue();
  await made.fill(queue, BODIES);
  await using worker = await program(WORKER("waitForSigterm()"), {
    environment: { QUEUE: queue, GATE: "/nowhere/at/all" },
  });
  await worker.waitFor("begun 1");
  worker.kill("SIGKILL");
  await worker.ended;
  await made.waitForCount(queue, BODIES.length);
  const bodies = (await made.takeAll(queue)).map(({ content }) => content.toString());
  assertEquals(bodies.toSorted(), BODIES);
});
