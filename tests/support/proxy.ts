/** A TCP proxy before the broker, whose connections can be cut, frozen or refused. */

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
  /** Refuses connections until {@linkcode Proxy.listen}. */
  refuse(): void;
  listen(): void;
}

/** Starts a proxy on a free port. */
export function startProxy(): Proxy {
  const hostname = "127.0.0.1";
  let listener = Deno.listen({ hostname, port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const pairs = new Set<readonly [Deno.Conn, Deno.Conn]>();
  const pumps = new Set<Promise<void>>();
  let thawed = Promise.withResolvers<void>();
  thawed.resolve();

  const close = (pair: readonly [Deno.Conn, Deno.Conn]) => {
    if (!pairs.delete(pair)) return;
    for (const side of pair) side.close();
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
        for (let sent = 0; sent < length;) sent += await to.write(chunk.subarray(sent, length));
      }
    } catch {
      // One side is gone: so goes the other.
    }
    close(pair);
  };
  const track = (work: Promise<void>) => {
    pumps.add(work);
    void work.finally(() => pumps.delete(work));
  };
  const accept = async (on: Deno.Listener) => {
    for await (const client of on) {
      try {
        const server = await Deno.connect({ hostname: broker.hostname, port: broker.port });
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
    refuse() {
      listener.close();
    },
    listen() {
      listener = Deno.listen({ hostname, port });
      track(accept(listener));
    },
    async [Symbol.asyncDispose]() {
      thawed.resolve();
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
