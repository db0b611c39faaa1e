import { Arrivals } from "../arrivals.ts";
import type { Contestant } from "../contestant.ts";
import { startMeter } from "../meter.ts";
import { percentile } from "../statistics.ts";
import type { Job, Measurement } from "../workload.ts";
import { takenOver } from "./taken_over.ts";

type Latency = Pick<Measurement, "seconds" | "cpuSeconds" | "latencyMs">;

/** Sends at a steady rate, each body with the time at which it was sent, and receives them. */
export async function latency(contestant: Contestant, job: Job): Promise<Latency> {
  const { url, queue, workload: { bodyBytes, window, prefetch, consumers, rate = 1_000 } } = job;
  const arrivals = new Arrivals(bodyBytes);
  const times: number[] = [];
  const receiver = await contestant.receiver({
    url,
    queue,
    prefetch,
    consumers,
    received(bytes, head) {
      times.push(performance.now() - timeIn(head).getFloat64(0));
      arrivals.one(bytes);
    },
  });
  const body = new Uint8Array(bodyBytes);
  const sender = await contestant.sender({ url, queue, body, window });
  await steadily(rate, job.warmUp, () => send());
  await arrivals.reached(job.warmUp);
  times.length = 0;
  const stop = startMeter();
  await steadily(rate, job.messages, () => send());
  await arrivals.reached(job.warmUp + job.messages);
  const cost = stop();
  await sender.close();
  await takenOver(job);
  await receiver.close();
  arrivals.end(job.warmUp + job.messages);
  times.sort((a, b) => a - b);
  const latencyMs = {
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
    max: times[times.length - 1],
  };
  return { ...cost, latencyMs };

  function send(): Promise<void> {
    const stamped = new Uint8Array(bodyBytes);
    timeIn(stamped).setFloat64(0, performance.now());
    return sender.send(stamped);
  }
}

function timeIn(body: Uint8Array): DataView {
  return new DataView(body.buffer, body.byteOffset, 8);
}

/** Calls so many times, at a rate per second; resolves when all that was called has resolved. */
function steadily(rate: number, count: number, call: () => Promise<void>): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const startedAt = performance.now();
  let called = 0;
  let done = 0;
  const timer = setInterval(() => {
    const due = Math.min(count, Math.ceil((performance.now() - startedAt) / 1_000 * rate));
    for (; called < due; called++) {
      call().then(() => {
        if (++done === count) resolve();
      }, reject);
    }
    if (called === count) clearInterval(timer);
  }, 1);
  return promise;
}
