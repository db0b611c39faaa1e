/** A TCP proxy before the broker that reads the AMQP frames which pass, and can hold answers back. */

import { broker } from "./broker.ts";

/** Methods of AMQP 0-9-1 that are counted, by class and method number. */
const METHODS: Readonly<Record<string, string>> = {
  "10.50": "connection.close",
  "20.10": "channel.open",
  "20.40": "channel.close",
  "60.40": "basic.publish",
  "60.50": "basic.return",
  "60.80": "basic.ack",
  "60.120": "basic.nack",
};

/** What passed. */
export interface Seen {
  /** How often a method passed, in either direction. */
  count(method: string): number;
  /** The most messages that were published and not confirmed at one time, on one channel. */
  readonly mostInFlight: number;
  /** How many are so at present. */
  readonly inFlight: number;
}

/** A proxy that runs. */
export interface Wiretap extends AsyncDisposable, Seen {
  /** Where to connect to. */
  readonly address: { readonly hostname: string; readonly port: number };
  /** Withholds what the broker says, until {@linkcode Wiretap.release}. */
  withhold(): void;
  release(): void;
  /** Closes every connection. What is withheld is lost. */
  cut(): void;
}

/** Gives the method frames of one direction of a connection. */
class FrameReader {
  #rest = new Uint8Array();
  #skip: number;

  constructor(skip: number) {
    this.#skip = skip;
  }

  *read(chunk: Uint8Array): Iterable<{ channel: number; method: string; payload: DataView }> {
    const bytes = new Uint8Array(this.#rest.length + chunk.length);
    bytes.set(this.#rest);
    bytes.set(chunk, this.#rest.length);
    let at = 0;
    if (this.#skip > 0) {
      at = Math.min(this.#skip, bytes.length);
      this.#skip -= at;
    }
    while (bytes.length - at >= 7) {
      const view = new DataView(bytes.buffer, at);
      const size = view.getUint32(3);
      if (view.byteLength < size + 8) break;
      if (view.getUint8(0) === 1) {
        const payload = new DataView(bytes.buffer, at + 7, size);
        const method = METHODS[`${payload.getUint16(0)}.${payload.getUint16(2)}`];
        if (method !== undefined) yield { channel: view.getUint16(1), method, payload };
      }
      at += size + 8;
    }
    this.#rest = bytes.slice(at);
  }
}

/** Counts the frames of all connections, and keeps the unconfirmed delivery tags of one of them. */
class Ledger {
  counts = new Map<string, number>();
  mostInFlight = 0;
  inFlight = 0;

  connection() {
    const channels = new Map<number, { lastTag: number; open: Set<number> }>();
    return (channel: number, method: string, payload: DataView) => {
      this.counts.set(method, (this.counts.get(method) ?? 0) + 1);
      if (method === "channel.open") {
        this.inFlight -= channels.get(channel)?.open.size ?? 0;
        channels.set(channel, { lastTag: 0, open: new Set() });
      }
      const state = channels.get(channel);
      if (state === undefined) return;
      const before = state.open.size;
      if (method === "basic.publish") {
        state.open.add(++state.lastTag);
      } else if (method === "basic.ack" || method === "basic.nack") {
        const tag = Number(payload.getBigUint64(4));
        const multiple = (payload.getUint8(12) & 1) === 1;
        for (const open of multiple ? [...state.open] : [tag]) {
          if (open <= tag) state.open.delete(open);
        }
      }
      this.inFlight += state.open.size - before;
      this.mostInFlight = Math.max(this.mostInFlight, state.open.size);
    };
  }
}

/** Starts a wiretap on a free port. */
export function startWiretap(): Wiretap {
  const hostname = "127.0.0.1";
  const listener = Deno.listen({ hostname, port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const ledger = new Ledger();
  const work = new Set<Promise<void>>();
  const open = new Set<Deno.Conn>();
  let released = Promise.withResolvers<void>();
  released.resolve();

  const track = (promise: Promise<void>) => {
    work.add(promise);
    void promise.finally(() => work.delete(promise));
  };
  const close = (side: Deno.Conn) => {
    if (open.delete(side)) side.close();
  };
  const pump = async (
    from: Deno.Conn,
    to: Deno.Conn,
    note: (chunk: Uint8Array) => void | Promise<void>,
  ) => {
    try {
      const chunk = new Uint8Array(64 * 1024);
      for (let length; (length = await from.read(chunk)) !== null;) {
        await note(chunk.subarray(0, length));
        for (let sent = 0; sent < length;) sent += await to.write(chunk.subarray(sent, length));
      }
    } catch {
      // One side is gone: so goes the other.
    }
    close(from);
    close(to);
  };
  const accept = async () => {
    for await (const client of listener) {
      const server = await Deno.connect({ hostname: broker.hostname, port: broker.port });
      open.add(client).add(server);
      const note = ledger.connection();
      const fromClient = new FrameReader("AMQP0091".length);
      const fromBroker = new FrameReader(0);
      track(pump(client, server, (chunk) => {
        for (const { channel, method, payload } of fromClient.read(chunk)) {
          note(channel, method, payload);
        }
      }));
      track(pump(server, client, async (chunk) => {
        await released.promise;
        if (!open.has(server)) return; // It was cut meanwhile.
        for (const { channel, method, payload } of fromBroker.read(chunk)) {
          note(channel, method, payload);
        }
      }));
    }
  };
  track(accept());

  return {
    address: { hostname, port },
    count: (method) => ledger.counts.get(method) ?? 0,
    get mostInFlight() {
      return ledger.mostInFlight;
    },
    get inFlight() {
      return ledger.inFlight;
    },
    withhold() {
      released = Promise.withResolvers();
    },
    release() {
      released.resolve();
    },
    cut() {
      for (const side of [...open]) close(side);
    },
    async [Symbol.asyncDispose]() {
      released.resolve();
      listener.close();
      for (const side of [...open]) close(side);
      await Promise.all(work);
    },
  };
}
