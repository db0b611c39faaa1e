import { Arrivals } from "../arrivals.ts";
import type { Contestant } from "../contestant.ts";
import { type Cost, heapBytes, openConnections, startMeter } from "../meter.ts";
import type { Job, Measurement } from "../workload.ts";
import { takenOver } from "./taken_over.ts";

type Scale = Pick<Measurement, "seconds" | "cpuSeconds" | "start">;

/** Starts many consumers on one connection, looks at what they take, and has them consume. */
export async function scale(contestant: Contestant, job: Job): Promise<Scale> {
  const { url, queue, workload: { bodyBytes, window, prefetch, consumers } } = job;
  const arrivals = new Arrivals(bodyBytes);
  const received = arrivals.one;
  const heapBefore = heapBytes();
  const connectionsBefore = openConnections();
  const startedAt = performance.now();
  const receiver = await contestant.receiver({ url, queue, prefetch, consumers, received });
  const ms = performance.now() - startedAt;
  const heapBytesPerConsumer = (heapBytes() - heapBefore) / consumers;
  const connections = openConnections();
  const start = {
    ms,
    heapBytesPerConsumer,
    ...(connections === undefined || connectionsBefore === undefined
      ? {}
      : { connections: connections - connectionsBefore }),
  };

  const body = new Uint8Array(bodyBytes);
  const sender = await contestant.sender({ url, queue, body, window });
  const round = async (messages: number): Promise<Cost> => {
    const expected = arrivals.count + messages;
    const stop = startMeter();
    await Promise.all([sender.publish(messages), arrivals.reached(expected)]);
    return stop();
  };
  await round(job.warmUp);
  const cost = await round(job.messages);
  await sender.close();
  await takenOver(job);
  await receiver.close();
  arrivals.end(job.warmUp + job.messages);
  return { ...cost, start };
}
