/**
 * A server that behaves like a broker with one queue, until it is told to do something wild at a
 * chosen moment of a conversation, and then behaves again.
 */

import {
  type AmqpClient,
  AmqpServer,
  byte,
  type Call,
  delivery,
  frame,
  longlong,
  type MethodName,
} from "./amqp_server.ts";
import type { Random } from "./random.ts";
import { type WildContext, WildFrames } from "./wild_frames.ts";
import { type WireFrame, WireReader } from "./wire_reader.ts";

/** What a link is for. */
export type Role = "publish" | "consume";

/** When something wild happens: now, as a client is accepted, or as it calls or publishes. */
export type Moment = "now" | "accept" | MethodName;

/** What becomes of the connection afterwards. */
export type Ending = "go on" | "hang up" | "fall silent" | "answer no close";

/** What is to happen in a case. */
export interface Attack {
  readonly role: Role;
  readonly moment: Moment;
  /** Whether the answer to the call of that moment goes out, and when. */
  readonly answer: "before" | "after" | "never";
  readonly ending: Ending;
  /** In how many pieces it is written. */
  readonly pieces: number;
  readonly random: Random;
}

/** What was published on a channel, and confirmed. */
class PublishedOn {
  readonly ids: string[] = [];
  #upTo = 0;
  #tags = new Set<number>();

  confirm(tag: number, multiple: boolean): string[] {
    if (!multiple) {
      this.#tags.add(tag);
      return this.ids.slice(tag - 1, tag);
    }
    this.#upTo = Math.max(this.#upTo, tag);
    return this.ids.slice(0, tag);
  }

  /** Returns whether it had been confirmed already, before it was received. */
  published(id: string): boolean {
    const tag = this.ids.push(id);
    return tag <= this.#upTo || this.#tags.has(tag);
  }
}

/** One connection of a client. */
class Peer {
  static last = 0;
  /** Tells it from others, for the trace. */
  readonly number: number;
  readonly client: AmqpClient;
  readonly wire = new WireReader();
  readonly channels = new Map<number, PublishedOn>();
  role: Role | undefined;
  ended = false;
  /** Answers nothing any more. */
  silent = false;
  /** Answers no close. */
  stubborn = false;
  /** Sends heartbeats. */
  beating: ReturnType<typeof setInterval> | undefined;
  /** Either side has said that it closes the connection. */
  closing = false;
  blocked = false;
  /** Where what is written goes instead, for a moment. */
  collected: number[] | undefined;

  constructor(number: number, client: AmqpClient) {
    this.number = number;
    this.client = client;
  }

  get live(): boolean {
    return !this.ended && !this.silent && !this.closing;
  }

  get channel(): number {
    return [...this.channels.keys()].at(-1) ?? 1;
  }
}

export class HostileServer implements AsyncDisposable {
  readonly server: AmqpServer;
  /** The ids of messages that were confirmed. */
  readonly confirmed = new Set<string>();
  /** The ids of messages that were received. */
  readonly received = new Set<string>();
  /** Whether a confirm went out for what had not been received by then, in this case and the last. */
  #ahead = [false];
  #peers = new Set<Peer>();
  #attack: Attack | undefined;
  #attacked = Promise.withResolvers<void>();
  /** The body that every consumer is to receive. */
  #offered: string | undefined;
  #lastDelivery = 0;
  #trace: string[] = [];
  #lastPeer = 0;

  constructor() {
    this.server = new AmqpServer((client, call) => this.#answer(client, call), {
      accepted: (client) => this.#accepted(client),
    });
  }

  /** What went over the wire in this case, for the message of a failure. */
  get trace(): string {
    return this.#trace.slice(-100).join("\n");
  }

  /** Whether this message may have been confirmed before it was received. */
  mayBeAhead(id: string): boolean {
    return this.#ahead.includes(true) && !this.received.has(id);
  }

  /** Begins a case. Resolves when it has done what it was told to. */
  attack(attack: Attack): Promise<void> {
    this.#trace = [`${attack.role}, ${attack.moment}, ${attack.answer}, ${attack.ending}`];
    this.#ahead = this.#ahead.slice(0, 1);
    this.#ahead.unshift(false);
    this.confirmed.clear();
    this.received.clear();
    this.#offered = undefined;
    this.#attack = attack;
    this.#attacked = Promise.withResolvers();
    const peers = this.#live(attack.role);
    const { moment } = attack;
    if (moment === "now" && peers.length > 0) {
      // What is being sent just now is on its way.
      setTimeout(() => this.#strike(peers[peers.length - 1]), 0);
    } else if (moment === "now") {
      this.#attack = { ...attack, moment: "channel.open" };
    } else if (moment === "basic.ack") {
      this.offer("bait");
    } else if (moment !== "basic.publish") {
      // Whoever may be on the way to that moment may be past it, too.
      for (const peer of this.#peers) {
        if (peer.role === attack.role || peer.role === undefined) void peer.client.end();
      }
    }
    return this.#attacked.promise;
  }

  /** Behaves again. */
  behave(): void {
    this.#attack = undefined;
    for (const peer of this.#peers) {
      if (!peer.live || peer.wire.midFrame) continue;
      if (peer.blocked) peer.client.call(0, "connection.unblocked");
      for (const [channel, { ids }] of peer.channels) {
        if (peer.role !== "publish" || ids.length === 0) continue;
        peer.client.call(channel, "basic.ack", [...longlong(ids.length), ...byte(1)]);
      }
    }
  }

  /** Delivers a message to every consumer there is, and to those to come. */
  offer(body: string): void {
    this.#offered = body;
    for (const peer of this.#live("consume")) {
      for (const [channel, tag] of peer.client.consumerTags) {
        if (peer.channels.has(channel)) this.#deliver(peer, channel, tag, body);
      }
    }
  }

  #live(role: Role): Peer[] {
    return [...this.#peers].filter((peer) => peer.live && peer.role === role);
  }

  #deliver(peer: Peer, channel: number, consumerTag: string, body: string): void {
    peer.client.send(delivery(channel, consumerTag, ++this.#lastDelivery, body));
  }

  #accepted(client: AmqpClient): void {
    const peer = new Peer(++this.#lastPeer, client);
    this.#peers.add(peer);
    const send = client.send.bind(client);
    client.send = (...parts) => {
      const bytes = parts.flat();
      if (peer.collected !== undefined) return void peer.collected.push(...bytes);
      for (const frame of peer.wire.read(bytes)) this.#wrote(peer, frame);
      send(bytes);
    };
    client.received = (channel, _header, body) => this.#published(peer, channel, body);
    void client.ended.then(() => {
      peer.ended = true;
      this.#peers.delete(peer);
      this.server.clients.splice(this.server.clients.indexOf(client), 1);
    });
    if (this.#attack?.moment === "accept") this.#strike(peer);
  }

  #answer(client: AmqpClient, call: Call): boolean {
    const peer = [...this.#peers].find((peer) => peer.client === client);
    if (peer === undefined || peer.silent) return true;
    const { name, channel } = call;
    this.#trace.push(`${peer.number} < ${name} on ${channel}`);
    const isClose = name === "connection.close" || name === "channel.close";
    if (peer.closing && !isClose && name !== "connection.close-ok") return true;
    switch (name) {
      case "channel.open":
        peer.channels.set(channel, new PublishedOn());
        break;
      case "channel.close":
      case "channel.close-ok":
        peer.channels.delete(channel);
        client.consumerTags.delete(channel);
        break;
      case "confirm.select":
        peer.role = "publish";
        break;
      case "basic.qos":
        peer.role = "consume";
        break;
      case "connection.close-ok":
        void client.end();
        break;
      case "connection.close":
        if (!peer.stubborn) client.behave(call);
        peer.closing = true;
        return true;
    }
    if (isClose && peer.stubborn) return true;
    if (this.#attack?.moment === name) {
      this.#strike(peer, call);
    } else {
      client.behave(call);
      const tag = client.consumerTags.get(channel);
      if (name === "basic.consume" && this.#offered !== undefined) {
        this.#deliver(peer, channel, tag!, this.#offered);
      }
    }
    return true;
  }

  #published(peer: Peer, channel: number, body: Uint8Array): void {
    if (peer.silent || peer.closing) return;
    const id = new TextDecoder().decode(body);
    const on = peer.channels.get(channel);
    if (on === undefined) return; // It has closed that channel meanwhile.
    this.received.add(id);
    this.#trace.push(`${peer.number} < ${id}`);
    if (on.published(id)) this.confirmed.add(id);
    // Meanwhile it is left open, so that there is something to be lost.
    if (this.#attack !== undefined) return;
    peer.client.call(channel, "basic.ack", [...longlong(on.ids.length), ...byte(0)]);
  }

  #strike(peer: Peer, call?: Call): void {
    const { answer, ending, pieces, random } = this.#attack!;
    this.#attack = { ...this.#attack!, moment: "now" }; // Once.
    const { client } = peer;
    const channel = call === undefined || call.channel === 0 ? peer.channel : call.channel;
    const ids = peer.channels.get(channel)?.ids ?? [];
    const context: WildContext = {
      channel,
      consumerTag: client.consumerTags.get(channel) ?? "none",
      published: ids.length,
      messageId: ids.length === 0 ? "none" : random.pick(ids),
    };
    const wild = new WildFrames(random, context).burst();
    peer.collected = [];
    if (call !== undefined) client.behave(call);
    const reply = peer.collected;
    peer.collected = undefined;
    const bytes = answer === "never"
      ? wild
      : answer === "before"
      ? [...reply, ...wild]
      : [...wild, ...reply];
    const cuts = Array.from({ length: pieces - 1 }, () => random.below(bytes.length + 1))
      .sort((one, other) => one - other);
    let from = 0;
    for (const cut of [...cuts, bytes.length]) {
      client.send(bytes.slice(from, cut));
      if (cut < bytes.length) client.pause();
      from = cut;
    }
    // In the midst of a frame no server can go on as if nothing had been.
    const cannotGoOn = peer.wire.midFrame && ending !== "fall silent";
    if (cannotGoOn || ending === "hang up") void client.end();
    if (ending === "fall silent") {
      peer.silent = true;
      clearInterval(peer.beating); // Where it only looks idle, no client can tell.
    }
    if (ending === "answer no close" && !peer.stubborn) {
      peer.stubborn = true;
      peer.beating = setInterval(() => client.send(frame(8, 0, [])), 200);
      void client.ended.then(() => clearInterval(peer.beating));
    }
    const attacked = this.#attacked;
    void client.written.then(() => attacked.resolve());
  }

  /** Notes what a frame that was written means to the client. */
  #wrote(peer: Peer, { type, channel, payload }: WireFrame): void {
    this.#trace.push(`${peer.number} > ${type} on ${channel}: ${payload.slice(0, 14).join(" ")}`);
    if (type !== 1 || payload.length < 4) return;
    const view = new DataView(payload.buffer);
    switch (`${view.getUint16(0)}.${view.getUint16(2)}`) {
      case "60.80": {
        if (payload.length < 13) return;
        const tag = Number(view.getBigUint64(4));
        const multiple = (payload[12] & 1) === 1;
        const on = peer.channels.get(channel);
        if (on === undefined || tag > on.ids.length) this.#ahead[0] = true;
        for (const id of on?.confirm(tag, multiple) ?? []) this.confirmed.add(id);
        break;
      }
      case "20.40":
        peer.channels.delete(channel);
        peer.client.consumerTags.delete(channel);
        break;
      case "10.50":
        if (channel === 0) peer.closing = true;
        break;
      case "10.60":
      case "10.61":
        if (channel === 0) peer.blocked = payload[3] === 60;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
  }
}
