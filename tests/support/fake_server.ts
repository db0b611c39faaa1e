/** A server that is no broker. */

export interface FakeServer extends AsyncDisposable {
  readonly hostname: string;
  readonly port: number;
  /** How many connections it has accepted. */
  readonly connections: number;
}

/**
 * Starts a server on a free port.
 *
 * @param serve Answers a connection; `closed` resolves when the client has gone.
 */
export function fakeServer(
  serve: (socket: Deno.TcpConn, closed: Promise<void>) => void | Promise<void>,
): FakeServer {
  const hostname = "127.0.0.1";
  const listener = Deno.listen({ hostname, port: 0 });
  const work = new Set<Promise<unknown>>();
  const sockets = new Set<Deno.Conn>();
  let connections = 0;

  /** Reads until the client has gone. */
  const drain = async (socket: Deno.Conn) => {
    const chunk = new Uint8Array(4096);
    try {
      while (await socket.read(chunk) !== null);
    } catch {
      // It went without a word, or was closed by the server.
    }
  };
  const accept = async () => {
    for await (const socket of listener) {
      connections++;
      sockets.add(socket);
      const closed = drain(socket);
      const served = Promise.try(serve, socket, closed).catch(() => {});
      const done = Promise.all([closed, served]).then(() => {
        sockets.delete(socket);
        try {
          socket.close();
        } catch {
          // The server has closed it already.
        }
      });
      work.add(done);
      void done.finally(() => work.delete(done));
    }
  };
  work.add(accept());

  return {
    hostname,
    port: (listener.addr as Deno.NetAddr).port,
    get connections() {
      return connections;
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const socket of sockets) socket.close();
      await Promise.all(work);
    },
  };
}
