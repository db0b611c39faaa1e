/** A TLS listener before the broker, which speaks plain AMQP itself. */

import { broker } from "./broker.ts";
import type { Certificate } from "./certificates.ts";

/** A listener that runs. */
export interface TlsProxy extends AsyncDisposable {
  readonly port: number;
  /** Closes every connection. */
  cut(): void;
}

/** Starts a listener on a free port of the loopback interface. */
export function startTlsProxy(certificate: Certificate): TlsProxy {
  const listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...certificate });
  const sockets = new Set<Deno.Conn>();
  const work = new Set<Promise<void>>();

  const close = (socket: Deno.Conn) => {
    if (sockets.delete(socket)) socket.close();
  };
  const pump = async (from: Deno.Conn, to: Deno.Conn) => {
    try {
      const chunk = new Uint8Array(64 * 1024);
      for (let length; (length = await from.read(chunk)) !== null;) {
        for (let sent = 0; sent < length;) sent += await to.write(chunk.subarray(sent, length));
      }
    } catch {
      // The handshake failed, or one side is gone: so goes the other.
    }
    close(from);
    close(to);
  };
  const accept = async () => {
    for await (const client of listener) {
      const server = await Deno.connect({ hostname: broker.hostname, port: broker.port });
      sockets.add(client).add(server);
      const pumping = Promise.all([pump(client, server), pump(server, client)]).then(() => {});
      work.add(pumping);
      void pumping.finally(() => work.delete(pumping));
    }
  };
  work.add(accept());

  return {
    port: (listener.addr as Deno.NetAddr).port,
    cut() {
      for (const socket of [...sockets]) close(socket);
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const socket of [...sockets]) close(socket);
      await Promise.all(work);
    },
  };
}
