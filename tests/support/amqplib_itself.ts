/** What amqplib writes and reads by itself, without a broker: to compare the fast paths with. */

import { Buffer } from "node:buffer";
import amqplib, { type ConfirmChannel } from "amqplib";
import { AmqplibChannel } from "../../src/amqp/amqplib_channel.ts";
import type { DriverChannel } from "../../src/amqp/driver.ts";
import { AmqpServer } from "./amqp_server.ts";

/** The parts of amqplib's connection that are taken hold of. */
interface Internals {
  rest: Buffer;
  frameMax: number;
  readonly channels: { buffer: { write(frame: Uint8Array): boolean; end(): void } }[];
  recvFrame(): { readonly fields: Record<string, unknown> } | false;
}

/** A connection of amqplib with one channel, which the fast paths have no part in. */
export interface AmqplibItself extends AsyncDisposable {
  /** The number of the channel. */
  readonly number: number;
  /** The channel, as the driver wraps it where there is no fast lane. */
  readonly channel: DriverChannel;
  /** The frames that one act writes. */
  written(act: () => unknown, frameMax?: number): Uint8Array;
  /** The fields that one frame holds. */
  read(frame: Uint8Array): Record<string, unknown>;
}

/** Connects amqplib to a server that answers nothing but the set-up. */
export async function amqplibItself(): Promise<AmqplibItself> {
  const server = new AmqpServer();
  const { hostname, port } = server;
  const model = await amqplib.connect({ protocol: "amqp", hostname, port, heartbeat: 0 });
  const raw: ConfirmChannel & { ch?: number } = await model.createConfirmChannel();
  const number = raw.ch!;
  const internals = model.connection as unknown as Internals;
  const frames: Uint8Array[] = [];
  const { buffer } = internals.channels[number];
  internals.channels[number].buffer = {
    write: (frame) => frames.push(frame) > 0,
    end: () => buffer.end(),
  };
  const events = {
    confirm: () => {},
    returned: () => {},
    delivery: () => {},
    cancelled: () => {},
    closed: () => {},
  };
  return {
    number,
    channel: new AmqplibChannel(raw, events, 1_000, () => undefined, undefined, true),
    written(act, frameMax = 131_072) {
      frames.length = 0;
      internals.frameMax = frameMax;
      act();
      return Buffer.concat(frames);
    },
    read(frame) {
      internals.rest = Buffer.from(frame);
      const read = internals.recvFrame();
      if (read === false) throw new Error("It is no whole frame");
      return read.fields;
    },
    async [Symbol.asyncDispose]() {
      internals.rest = Buffer.alloc(0);
      await model.close();
      await server[Symbol.asyncDispose]();
    },
  };
}
