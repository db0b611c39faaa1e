import { assertEquals } from "@std/assert";
import { program } from "../support/program.ts";

/** Sends the program the signal that it has just got once more, as `deno task` does with Ctrl-C. */
const ECHO = `
  const again = () => {
    Deno.removeSignalListener("SIGINT", again);
    setTimeout(() => Deno.kill(Deno.pid, "SIGINT"), 20);
  };
  Deno.addSignalListener("SIGINT", again);
`;

const SERVICES = {
  waitForShutdown: `
    await using consumer = new Consumer({ queueName: "", taskFunction });
    await consumer.start();
    await send(consumer);
    await waitForShutdown();
  `,
  run: `
    const consumer = new Consumer({ queueName: "", taskFunction });
    await consumer.start();
    await send(consumer);
    await run({ consumers: [consumer] });
  `,
};

for (const [name, service] of Object.entries(SERVICES)) {
  Deno.test(`${name} takes a Ctrl-C that comes twice for one: the task is finished`, async () => {
    await using running = await program(`
      import {
        Consumer, MessageStatus, Publisher, run, waitForShutdown,
      } from "@lapinmq/lapinmq";
      ${ECHO}
      const taskFunction = async () => {
        console.log("begun");
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        console.log("finished");
        return MessageStatus.SUCCESS;
      };
      async function send({ queueName }) {
        await using publisher = new Publisher();
        await publisher.start();
        await publisher.sendMessageToQueue({ queueName, body: "" });
      }
      ${service}
    `);
    await running.waitFor("begun");
    running.kill("SIGINT");
    assertEquals(await running.ended, { success: true, code: 0, signal: null });
    assertEquals(running.output.stdout, "begun\nfinished\n");
  });
}
