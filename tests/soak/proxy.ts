/** A TCP proxy before a node, with which its connections can be cut, frozen, stalled, delayed and chopped up. */

import { connect, createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { once } from "node:events";

/** How much one direction may hold back before the proxy reads no more. */
const HELD_BYTES = 1024 * 1024;

/** What happens to the bytes that pass. */
export interface Weather {
  /** Passes nothing on in either direction, and keeps what it has read. */
  readonly frozen?: boolean;
  /** Reads nothing from the client. */
  readonly stalled?: boolean;
  readonly latencyMs?: number;
  /** The most that is passed on at a time. */
  readonly fragmentBytes?: number;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  /** Swallows everything from now on. */
  black: boolean;
}

/** A proxy that runs. */
export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** The port that it stands before. */
  readonly target: number;
  /** When its newest connection was accepted. */
  readonly acceptedAt: number;
  /** How many connections are open through it. */
  readonly open: number;
  /** The weather from now on; nothing is fair weather. */
  set(weather: Weather): void;
  /** Ends every connection, in good order or with a reset. */
  cut(how: "fin" | "rst"): void;
  /** Every connection of now is dead without a word; new ones are well. */
  blackhole(): void;
  /** Refuses connections until {@linkcode Proxy.accept}. */
  refuse(): void;
  accept(): void;
}

/** Starts a proxy before a port of this machine. */
export async function startProxy(target: number): Promise<Proxy> {
  const pairs = new Set<Pair>();
  let weather: Weather = {};
  let changed = Promise.withResolvers<void>();
  let acceptedAt = 0;
  let refusing = false;

  const close = (pair: Pair) => {
    pairs.delete(pair);
    pair.client.destroy();
    pair.server.destroy();
  };
  /** Passes on what one side sends to the other. */
  const pump = async (pair: Pair, from: Socket, to: Socket) => {
    const held: { due: number; chunk: Uint8Array }[] = [];
    let bytes = 0;
    let more = Promise.withResolvers<void>();
    let ended = false;
    from.on("data", (chunk: Uint8Array) => {
      if (pair.black) return;
      held.push({ due: Date.now() + (weather.latencyMs ?? 0), chunk });
      bytes += chunk.length;
      if (bytes > HELD_BYTES) from.pause();
      more.resolve();
    });
    from.on("close", () => {
      ended = true;
      more.resolve();
    });
    while (pairs.has(pair) && !(ended && held.length === 0)) {
      if (held.length === 0) {
        await more.promise;
        more = Promise.withResolvers();
        continue;
      }
      if (weather.frozen || (weather.stalled && from === pair.client)) {
        await changed.promise;
        continue;
      }
      const wait = held[0].due - Date.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      if (!pairs.has(pair)) break;
      if (pair.black) {
        held.length = 0;
        continue;
      }
      const { chunk } = held[0];
      const part = chunk.subarray(0, weather.fragmentBytes ?? chunk.length);
      if (part.length === chunk.length) held.shift();
      else held[0] = { due: held[0].due, chunk: chunk.subarray(part.length) };
      bytes -= part.length;
      if (to.destroyed) break;
      if (!to.write(part)) await Promise.race([once(to, "drain"), once(to, "close")]);
      // Long enough apart that the receiver reads them one by one.
      if (weather.fragmentBytes !== undefined) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      if (bytes < HELD_BYTES / 2) from.resume();
    }
    while (weather.frozen) await changed.promise;
    if (ended && !(pair.black && from === pair.server)) close(pair);
  };
  const accept = (client: Socket) => {
    acceptedAt = Date.now();
    const server = connect({ host: "127.0.0.1", port: target, noDelay: true });
    client.setNoDelay(true);
    const pair: Pair = { client, server, black: false };
    pairs.add(pair);
    // Whatever goes wrong with a socket, its "close" follows.
    client.on("error", () => {});
    server.on("error", () => {});
    void pump(pair, client, server).catch(() => close(pair));
    void pump(pair, server, client).catch(() => close(pair));
  };
  const listen = async (port: number): Promise<Server> => {
    const server = createServer(accept);
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    return server;
  };
  let server = await listen(0);
  const { port } = server.address() as AddressInfo;
  let listening: Promise<void> = Promise.resolve();

  return {
    port,
    target,
    get acceptedAt() {
      return acceptedAt;
    },
    get open() {
      return pairs.size;
    },
    set(next) {
      weather = next;
      changed.resolve();
      changed = Promise.withResolvers();
    },
    cut(how) {
      for (const pair of [...pairs]) {
        pairs.delete(pair);
        if (how === "rst") {
          pair.client.resetAndDestroy();
          pair.server.resetAndDestroy();
        } else {
          pair.client.end(() => pair.client.destroy());
          pair.server.end(() => pair.server.destroy());
        }
      }
    },
    blackhole() {
      for (const pair of pairs) pair.black = true;
    },
    refuse() {
      if (refusing) return;
      refusing = true;
      server.close();
    },
    accept() {
      if (!refusing) return;
      refusing = false;
      listening = listen(port).then((again) => void (server = again));
    },
    async [Symbol.asyncDispose]() {
      await listening;
      server.close();
      for (const pair of [...pairs]) close(pair);
    },
  };
}
