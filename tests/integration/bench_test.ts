/** Every contestant of the benchmark does its work: a handful of messages, all accounted for. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { BASELINE, CONTESTANTS } from "../../bench/contestant.ts";
import { measure } from "../../bench/measure.ts";
import { Queues } from "../../bench/queues.ts";
import { chooseWorkloads } from "../../bench/workloads.ts";
import { broker } from "../support/broker.ts";
import { hasOpenssl } from "../support/certificates.ts";

const KINDS = ["publish", "consume", "both", "pipeline", "latency"];
/** More than the prefetch and the window, so that both have to move on. */
const AMOUNT = { warmUp: 5, messages: 25 };

function settingWith(queues: Queues) {
  const environment = Deno.env.toObject();
  return { url: broker.url, queues, environment, signal: new AbortController().signal };
}

for (const contestant of CONTESTANTS) {
  Deno.test(`the benchmark measures ${contestant} in every kind of workload`, async () => {
    await using queues = await Queues.open(broker.url);
    await Promise.all(
      chooseWorkloads(KINDS, true).map(async (workload) => {
        const small = { ...workload, prefetch: 7, window: 7 };
        const found = await measure(settingWith(queues), small, contestant, AMOUNT);
        assert(found.messages === 25 && found.seconds > 0 && found.peakBytes > 0);
        assert(workload.kind !== "latency" || found.latencyMs!.p50 > 0);
      }),
    );
  });
}

Deno.test("the benchmark accounts for bodies of several frames, and for many consumers", async () => {
  await using queues = await Queues.open(broker.url);
  const setting = settingWith(queues);
  const [large, many] = chooseWorkloads(["consume-4m", "scale-10"], true);
  await measure(setting, { ...large, bodyBytes: 300_000 }, "limit", { warmUp: 1, messages: 5 });
  const { start } = await measure(setting, many, "lapinmq", AMOUNT);
  assert(start!.heapBytesPerConsumer > 0);
  assert(start!.connections === undefined || start!.connections === 1);
});

Deno.test("the benchmark looks at the memory while it publishes, consumes, or does both", async () => {
  await using queues = await Queues.open(broker.url);
  await Promise.all(
    chooseWorkloads(["memory-", "memory"], true).flatMap((workload) =>
      workload.contestants!.map(async (contestant) => {
        const own = { ...workload, name: `${workload.name}.${contestant}` };
        const found = await measure(settingWith(queues), own, contestant, AMOUNT);
        assertEquals(found.memory!.at(-1)!.messages, 30);
        assert(found.memory!.every(({ rssBytes }) => rssBytes > 0));
        assert(found.heap!.warmBytes > 0 && found.heap!.endBytes > 0);
      })
    ),
  );
});

Deno.test({
  name: "the benchmark measures lapinmq over TLS, and another checkout of it",
  ignore: !hasOpenssl,
  async fn() {
    await using queues = await Queues.open(broker.url);
    const setting = { ...settingWith(queues), against: "." };
    for (const workload of chooseWorkloads(["tls-publish", "tls-consume"], true)) {
      for (const contestant of ["lapinmq", BASELINE]) {
        const found = await measure(setting, workload, contestant, AMOUNT);
        assert(found.messages === 25 && found.cpuSeconds > 0);
      }
    }
  },
});

Deno.test("the benchmark does not let a message be lost", async () => {
  await using queues = await Queues.open(broker.url);
  await queues.declare("lapinmq.bench.test", "classic");
  await queues.fill("lapinmq.bench.test", 3, 10);
  await queues.holds("lapinmq.bench.test", 3);
  await assertRejects(() => queues.holds("lapinmq.bench.test", 4, 50), Error, "3 messages");
  await queues.delete("lapinmq.bench.test");
});
