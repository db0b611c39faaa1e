/** A TCP proxy before the broker whose connections can be reset (RST), which `Deno.Conn` cannot do. */

import net from "node:net";
import { broker } from "./broker.ts";

/** A proxy that runs. */
export interface ResetProxy extends AsyncDisposable {
  readonly hostname: string;
  readonly port: number;
  /** Resets every connection, on both sides. */
  reset(): void;
}

/** Starts a proxy on a free port. */
export async function startResetProxy(): Promise<ResetProxy> {
  const hostname = "127.0.0.1";
  const sockets = new Set<net.Socket>();
  const closings = new Set<Promise<void>>();
  const watch = (socket: net.Socket, other: net.Socket) => {
    sockets.add(socket);
    const closed = Promise.withResolvers<void>();
    closings.add(closed.promise);
    socket.on("error", () => {}); // Its close follows.
    socket.on("close", () => {
      sockets.delete(socket);
      other.destroy();
      closed.resolve();
    });
    socket.pipe(other);
  };
  const server = net.createServer((client) => {
    const upstream = net.connect(broker.port, broker.hostname);
    watch(client, upstream);
    watch(upstream, client);
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, hostname, listening.resolve);
  await listening.promise;
  return {
    hostname,
    port: (server.address() as net.AddressInfo).port,
    reset() {
      for (const socket of [...sockets]) socket.resetAndDestroy();
    },
    async [Symbol.asyncDispose]() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      for (const socket of [...sockets]) socket.destroy();
      await Promise.all([closed.promise, ...closings]);
    },
  };
}
