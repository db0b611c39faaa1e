import { createHash } from "node:crypto";
import { randomFrom } from "../support/random.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** How large the bodies are, and how many of a thousand are so large. */
const SIZES = [
  { bytes: 0, perMille: 100 },
  { bytes: KIB, perMille: 879 },
  { bytes: 200 * KIB, perMille: 20 },
  { bytes: 5 * MIB, perMille: 1 },
];

/** The size of the next body, for a number from 0 to 1. */
export function sizeOf(chance: number): number {
  let left = chance * 1_000;
  return SIZES.find(({ perMille }) => (left -= perMille) < 0)?.bytes ?? KIB;
}

/** Makes bodies that differ from one another, out of one long run of random bytes. */
export function bodies(seed: number): (size: number, sequence: number) => Uint8Array<ArrayBuffer> {
  const random = randomFrom(seed);
  const pool = new Uint8Array(6 * MIB);
  const words = new Uint32Array(pool.buffer);
  for (let word = 0; word < words.length; word++) words[word] = random.next() * 2 ** 32;
  return (size, sequence) => {
    const start = (sequence * 7_919) % (pool.length - size);
    return pool.subarray(start, start + size);
  };
}

/** What a body is recognised by. */
export function hashOf(body: Uint8Array): string {
  return createHash("sha1").update(body).digest("hex").slice(0, 16);
}

/** The id of a message, which tells what its body must be. */
export function messageId(publisher: string, sequence: number, body: Uint8Array): string {
  return `${publisher}:${sequence}:${hashOf(body)}`;
}

/** Whether a body is the one that this id was made for. */
export function isIntact(id: string, body: Uint8Array): boolean {
  return id.split(":")[2] === hashOf(body);
}

/**
 * Where there is a delivery limit some messages always fail, so that they come to it. The queues take turns, and an odd
 * number of messages lies between two of these, so that each queue has some.
 */
export function isPoisoned(id: string, queue: string): boolean {
  return queue.includes("quorum") && Number(id.split(":")[1]) % 25 === 1;
}
