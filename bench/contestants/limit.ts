/**
 * The limit: frames that were encoded in advance, over a bare socket, and the least parsing that
 * counts confirms and deliveries. No client can be faster; what it reaches is what the broker and the
 * runtime give.
 */

import type { Contestant, PipelineOptions, ReceiveOptions, SendOptions } from "../contestant.ts";
import { Confirms } from "../limit/confirms.ts";
import { ackFrame, Bytes, messageFrames, Method, methodFrame } from "../limit/frames.ts";
import { Wire } from "../limit/wire.ts";
import { messageIds } from "../message_ids.ts";

/** How many bytes are encoded in advance, to be written at once. */
const BLOCK_BYTES = 512 * 1024;
/** How long the ids of lapinmq's messages are, when some ten thousand have been sent. */
const ID = `${crypto.randomUUID()}.12345`;

/** The same message over and over again. */
class Block {
  #bytes: Uint8Array<ArrayBuffer>;
  #size: number;
  readonly count: number;

  constructor(queue: string, body: Uint8Array<ArrayBuffer>) {
    const message = messageFrames(queue, body, ID);
    this.#size = message.length;
    this.count = Math.max(1, Math.floor(BLOCK_BYTES / message.length));
    this.#bytes = new Uint8Array(this.count * message.length);
    for (let i = 0; i < this.count; i++) this.#bytes.set(message, i * message.length);
  }

  messages(count: number): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, count * this.#size);
  }
}

async function confirming(wire: Wire): Promise<void> {
  await wire.call(
    methodFrame(1, Method.confirmSelect, new Uint8Array(1)),
    Method.confirmSelectOk,
  );
}

async function consuming(wire: Wire, queue: string, prefetch: number, channel = 1): Promise<void> {
  const qos = new Bytes().uint(0, 4).uint(prefetch, 2).uint(0, 1).done();
  await wire.call(methodFrame(channel, Method.basicQos, qos), Method.basicQosOk);
  const consume = new Bytes().uint(0, 2).shortString(queue).shortString("").uint(0, 1).uint(0, 4)
    .done();
  await wire.call(methodFrame(channel, Method.basicConsume, consume), Method.basicConsumeOk);
}

async function sender({ url, queue, body, window }: SendOptions) {
  const block = new Block(queue, body);
  const confirms = new Confirms();
  const nextId = messageIds();
  const single: Uint8Array<ArrayBuffer>[] = [];
  const waiting: { tag: number; resolve: () => void }[] = [];
  // Large writes, each of a part of the window, so that the rest keeps the broker busy meanwhile.
  const least = Math.max(1, Math.floor(window / 10));
  let sent = 0;
  let goal = 0;
  let end = Promise.withResolvers<void>();
  const wire = await Wire.open(url, {
    next() {
      const one = single.shift();
      if (one !== undefined) return one;
      const count = Math.min(goal - sent, window - (sent - confirms.count), block.count);
      if (count <= 0 || count < Math.min(least, goal - sent, block.count)) return undefined;
      sent += count;
      return block.messages(count);
    },
    confirmed(tag, multiple) {
      confirms.confirm(tag, multiple);
      while (waiting.length > 0 && waiting[0].tag <= confirms.low) waiting.shift()!.resolve();
      if (confirms.count === goal) end.resolve();
    },
    failed: (error) => end.reject(error),
  });
  await confirming(wire);
  return {
    async publish(count: number) {
      end = Promise.withResolvers();
      goal += count;
      wire.pump();
      await end.promise;
    },
    async send(body: Uint8Array<ArrayBuffer>) {
      const { promise, resolve } = Promise.withResolvers<void>();
      single.push(messageFrames(queue, body, nextId()));
      waiting.push({ tag: ++sent, resolve });
      goal++;
      wire.pump();
      await promise;
    },
    close: () => wire.close(),
  };
}

/** Ends the program: nothing comes any more, and whoever waits for it would wait for ever. */
function die(error: Error): never {
  console.error(error);
  Deno.exit(1);
}

async function receiver({ url, queue, prefetch, consumers, received }: ReceiveOptions) {
  /** By channel, the last delivery of those that are not acknowledged yet. */
  const last = new Map<number, number>();
  const wire = await Wire.open(url, {
    next() {
      if (last.size === 0) return undefined;
      const acks = new Bytes();
      for (const [channel, tag] of last) acks.raw(ackFrame(channel, tag));
      last.clear();
      return acks.done();
    },
    delivered(tag, bytes, head, channel) {
      last.set(channel, tag);
      received(bytes, head);
    },
    failed: die,
  }, consumers);
  for (let channel = 1; channel <= consumers; channel++) {
    await consuming(wire, queue, prefetch, channel);
  }
  return { close: () => wire.close() };
}

async function pipeline({ url, queue, to, prefetch, body, passed }: PipelineOptions) {
  const block = new Block(to, body);
  const confirms = new Confirms();
  let received = 0;
  let published = 0;
  let acknowledged = 0;
  // What one of them reads, the other answers; they open one after the other.
  const wires: { incoming?: Wire } = {};
  const outgoing = await Wire.open(url, {
    next() {
      const count = Math.min(received - published, block.count);
      if (count === 0) return undefined;
      published += count;
      return block.messages(count);
    },
    confirmed: (tag, multiple) => confirms.confirm(tag, multiple),
    // On two fresh channels, what was received as the n-th was published as the n-th.
    parsed: () => wires.incoming?.pump(),
    failed: die,
  });
  await confirming(outgoing);
  const incoming = wires.incoming = await Wire.open(url, {
    next() {
      if (acknowledged === confirms.low) return undefined;
      const frame = ackFrame(1, confirms.low);
      for (; acknowledged < confirms.low; acknowledged++) passed();
      return frame;
    },
    delivered: () => void received++,
    parsed: () => outgoing.pump(),
    failed: die,
  });
  await consuming(incoming, queue, prefetch);
  return {
    async close() {
      await incoming.close();
      await outgoing.close();
    },
  };
}

export const contestant: Contestant = { sender, receiver, pipeline };
