import { assert, assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import { Consumer, MessageStatus, Publisher } from "../../mod.ts";
import { connectionForTest, evaluate, notOurs, openAtBroker } from "../support/broker.ts";
import { eventually } from "../support/eventually.ts";
import { topology } from "../support/topology.ts";

const HEARTBEAT_SECONDS = 1;
/** The one time that is waited for in earnest: many heartbeats, and many times what ends a silent connection. */
const LONG_MS = 10_000;

/** How many bytes the broker has received from each connection of this name. */
async function receivedFrom(connectionName: string): Promise<number[]> {
  const answer = await evaluate(`
    lists:flatten(io_lib:format("~w", [lists:sort([{Pid, Received} ||
      [{pid, Pid}, {client_properties, Properties}, {recv_oct, Received}]
        <- rabbit_networking:connection_info_all([pid, client_properties, recv_oct]),
      lists:member({<<"connection_name">>, longstr, <<"${connectionName}">>}, Properties)])])).
  `);
  return [...answer.matchAll(/,(\d+)\}/g)].map(([, bytes]) => Number(bytes));
}

Deno.test({
  name:
    "Over ten seconds a long task and an idle publisher keep their connections, and a task that always fails is not run often",
  ignore: notOurs,
  fn: async () => {
    await using made = await topology();
    const queue = await made.queue();
    const failing = await made.queue();
    const connectionName = made.unused();
    await using connection = connectionForTest({
      connectionName,
      heartbeatSeconds: HEARTBEAT_SECONDS,
    });
    // Of their own: they are not to break the silence of the first.
    await using busyConnection = connectionForTest();
    const losses: Error[] = [];
    connection.addEventListener("disconnected", ({ detail }) => losses.push(detail.cause));
    const publisher = new Publisher({ connection });
    await publisher.start();
    const end = Promise.withResolvers<MessageStatus>();
    let begun = 0;
    await new Consumer({
      connection,
      queueName: queue,
      taskFunction: () => {
        begun++;
        return end.promise;
      },
    }).start();
    let failures = 0;
    let others = 0;
    await new Consumer({
      connection: busyConnection,
      queueName: failing,
      workers: 2,
      taskFunction: (message) => {
        if (message.text() === "other") others++;
        else failures++;
        return message.text() === "other" ? MessageStatus.SUCCESS : MessageStatus.FAIL_RETRY_LATER;
      },
    }).start();
    await publisher.sendMessageToQueue({ queueName: queue, body: "long" });
    await made.fill(failing, ["fails"]);
    await eventually("both tasks have begun", () => begun === 1 && failures === 1);

    const before = await openAtBroker(connectionName);
    assertEquals(before.connections.length, 2);
    const samples = [await receivedFrom(connectionName)];
    const steps = 4;
    for (let step = 0; step < steps; step++) {
      await delay(LONG_MS / steps);
      await made.fill(failing, Array(10).fill("other"));
      samples.push(await receivedFrom(connectionName));
    }

    assertEquals((await openAtBroker(connectionName)).connections, before.connections);
    assertEquals(losses, []);
    // The broker heard from both throughout, though neither had anything to say but heartbeats.
    for (const [index, sample] of samples.slice(1).entries()) {
      assertEquals(sample.length, 2);
      for (const [which, bytes] of sample.entries()) {
        assert(bytes > samples[index][which], `silence: ${JSON.stringify(samples)}`);
      }
    }
    assertEquals(begun, 1);
    end.resolve(MessageStatus.SUCCESS);
    await publisher.sendMessageToQueue({ queueName: queue, body: "after the pause" });
    await eventually("the next task has begun", () => begun === 2);
    // Later means later: a handful of times, not thousands, and others went past it.
    assert(failures >= 2 && failures <= 10, `it was delivered ${failures} times`);
    await eventually("the others are done", () => others === 10 * steps);
  },
});
