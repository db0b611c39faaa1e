/** A TCP proxy before the broker, whose connections can be cut, frozen or refused. */

import { delay } from "@std/async/delay";
import { broker } from "./broker.ts";

/** A proxy that runs. */
export interface Proxy extends AsyncDisposable {
  readonly hostname: string;
  readonly port: number;
  /** How many connections are open through it. */
  readonly open: number;
  /** Closes every connection. */
  cut(): void;
  /** Passes nothing on in either direction, and accepts connections that stay silent. */
  freeze(): void;
  /** Ends what {@linkcode Proxy.freeze} began; what had been withheld is passed on. */
  thaw(): void;
  /** Loses whatever is sent on the connections that are open, as a cable that is pulled. */
  blackhole(): void;
  /** Reads nothing more from the clients until {@linkcode Proxy.read}; the broker is heard all the same. */
  stall(): void;
  read(): void;
  /** Passes everything on byte by byte, each piece that was read after this delay. */
  fragment(latencyMs: number): void;
  /** Closes a connection when its client is about to send this method, the next `times` times. */
  cutAt(method: readonly [number, number], times: number): void;
  /** Withholds all that the broker says from when a client has sent this method, the next time. */
  muteAt(method: readonly [number, number]): void;
  /** Ends what {@linkcode Proxy.muteAt} began; what had been withheld is passed on. */
  unmute(): void;
  /** How often {@linkcode Proxy.cutAt} or {@linkcode Proxy.muteAt} has struck. */
  readonly strikes: number;
  /** Refuses connections until {@linkcode Proxy.listen}. */
  refuse(): void;
  listen(): void;
}

/**
 * Starts a proxy on a free port.
 *
 * @param target Where it leads to. Default: the broker of the tests.
 */
export function startProxy(target: { hostname: string; port: number } = broker): Proxy {
  const hostname = "127.0.0.1";
  let listener = Deno.listen({ hostname, port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const pairs = new Set<readonly [Deno.Conn, Deno.Conn]>();
  const pumps = new Set<Promise<void>>();
  let thawed = Promise.withResolvers<void>();
  thawed.resolve();
  let reading = Promise.withResolvers<void>();
  reading.resolve();
  let lost = new Set<readonly [Deno.Conn, Deno.Conn]>();
  let latencyMs: number | undefined;
  let trap = { method: [0, 0] as readonly [number, number], left: 0, strikes: 0, mutes: false };
  let speaking = Promise.withResolvers<void>();
  speaking.resolve();

  const close = (pair: readonly [Deno.Conn, Deno.Conn]) => {
    if (!pairs.delete(pair)) return;
    for (const side of pair) side.close();
  };
  /** Whether a piece begins a method frame that the trap is set for. */
  const springs = (piece: Uint8Array) => {
    const [group, method] = trap.method;
    const isThere = piece.some((_, at) =>
      piece[at] === 1 && piece[at + 8] === group && piece[at + 10] === method &&
      piece[at + 7] === 0 && piece[at + 9] === 0
    );
    if (trap.left === 0 || !isThere) return false;
    trap.left--;
    trap.strikes++;
    return true;
  };
  const pump = async (
    from: Deno.Conn,
    to: Deno.Conn,
    pair: readonly [Deno.Conn, Deno.Conn],
  ) => {
    try {
      const chunk = new Uint8Array(64 * 1024);
      for (let length; (length = await from.read(chunk)) !== null;) {
        await thawed.promise;
        if (from === pair[0]) await reading.promise;
        if (lost.has(pair)) continue;
        if (from === pair[0] && springs(chunk.subarray(0, length))) {
          if (!trap.mutes) break;
          speaking = Promise.withResolvers();
        }
        if (from === pair[1]) await speaking.promise;
        if (latencyMs !== undefined) await delay(latencyMs);
        const step = latencyMs === undefined ? length : 1;
        for (let sent = 0; sent < length;) {
          sent += await to.write(chunk.subarray(sent, Math.min(sent + step, length)));
        }
      }
    } catch {
      // One side is gone: so goes the other.
    }
    // Who ends a connection that is a black hole cannot make it known.
    if (from === pair[0] || !lost.has(pair)) close(pair);
  };
  const track = (work: Promise<void>) => {
    pumps.add(work);
    void work.finally(() => pumps.delete(work));
  };
  const accept = async (on: Deno.TcpListener) => {
    for await (const client of on) {
      try {
        const server = await Deno.connect({ hostname: target.hostname, port: target.port });
        client.setNoDelay();
        server.setNoDelay();
        const pair = [client, server] as const;
        pairs.add(pair);
        track(pump(client, server, pair));
        track(pump(server, client, pair));
      } catch {
        client.close();
      }
    }
  };
  track(accept(listener));

  return {
    hostname,
    port,
    get open() {
      return pairs.size;
    },
    cut() {
      for (const pair of [...pairs]) close(pair);
    },
    freeze() {
      thawed = Promise.withResolvers();
    },
    thaw() {
      thawed.resolve();
    },
    blackhole() {
      lost = new Set(pairs);
    },
    stall() {
      reading = Promise.withResolvers();
    },
    read() {
      reading.resolve();
    },
    fragment(latency) {
      latencyMs = latency;
    },
    cutAt(method, times) {
      trap = { method, left: times, strikes: 0, mutes: false };
    },
    muteAt(method) {
      trap = { method, left: 1, strikes: 0, mutes: true };
    },
    unmute() {
      speaking.resolve();
    },
    get strikes() {
      return trap.strikes;
    },
    refuse() {
      listener.close();
    },
    listen() {
      listener = Deno.listen({ hostname, port });
      track(accept(listener));
    },
    async [Symbol.asyncDispose]() {
      thawed.resolve();
      reading.resolve();
      speaking.resolve();
      try {
        listener.close();
      } catch {
        // It refuses connections already.
      }
      for (const pair of [...pairs]) close(pair);
      await Promise.all(pumps);
    },
  };
}
