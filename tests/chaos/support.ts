/** What the tests of failure modes share. */

import { assertEquals } from "@std/assert";
import { type Message, MessageStatus, type Publisher } from "../../mod.ts";
import { eventually } from "../support/eventually.ts";

/** Comes back quickly, so that no test waits for a backoff. */
export const QUICK = { initialDelayMs: 10, maxDelayMs: 100 } as const;

/** For sends that wait until a node is back: how long it takes depends on the machine alone. */
export const PATIENT = { sendTimeoutMs: 600_000 } as const;

/** Sends the numbers from `from` up to, but not including, `to`. */
export function sendNumbers(
  publisher: Publisher,
  queueName: string,
  from: number,
  to: number,
  callbacks?: { ackCallback: () => void },
): Promise<void>[] {
  return numbers(from, to).map((number) =>
    publisher.sendMessageToQueue({ queueName, body: `${number}`, callbacks })
  );
}

/** The numbers from `from` up to, but not including, `to`. */
export function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

/** Nothing is lost: each number is there at least once. Says how many were there more than once. */
export function assertAllThere(bodies: readonly string[], total: number): number {
  const found = new Set(bodies.map(Number));
  assertEquals(numbers(0, total).filter((number) => !found.has(number)), []);
  return bodies.length - found.size;
}

/** A task that notes the numbers it receives, and acknowledges them. */
export interface Collector {
  (message: Message): MessageStatus;
  readonly bodies: string[];
  /** Waits until each number below `total` has been received. */
  waitForAll(total: number): Promise<void>;
}

/** Makes a task that notes the numbers it receives. */
export function collector(): Collector {
  const bodies: string[] = [];
  const seen = new Set<string>();
  const task = (message: Message) => {
    const body = message.text();
    bodies.push(body);
    seen.add(body);
    return MessageStatus.SUCCESS;
  };
  return Object.assign(task, {
    bodies,
    waitForAll: async (total: number) => {
      await eventually(
        `all of ${total} messages are received`,
        () => numbers(0, total).every((number) => seen.has(`${number}`)),
        120_000,
      );
    },
  });
}
