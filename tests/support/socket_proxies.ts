/** Ways to the broker that lead through something else than TCP alone. */

import net from "node:net";
import { broker } from "./broker.ts";

/** What both have in common. */
interface Pipes {
  /** Passes everything on between the two. */
  join(client: net.Socket, server: net.Socket): void;
  close(server: net.Server): Promise<void>;
}

function pipes(): Pipes {
  const sockets = new Set<net.Socket>();
  return {
    join(client, server) {
      for (const [from, to] of [[client, server], [server, client]]) {
        sockets.add(from);
        from.on("error", () => {});
        from.on("close", () => {
          sockets.delete(from);
          to.destroy();
        });
        from.pipe(to);
      }
    },
    async close(server) {
      const closed = [...sockets].map((socket) =>
        new Promise((resolve) => socket.once("close", resolve))
      );
      for (const socket of sockets) socket.destroy();
      await Promise.all([...closed, new Promise((resolve) => server.close(resolve))]);
    },
  };
}

/** Listens on a unix socket and leads to the broker of the tests. */
export async function unixProxy() {
  const folder = await Deno.makeTempDir({ prefix: "lapinmq-unix-" });
  const path = `${folder}/amqp.sock`;
  const made = pipes();
  let connections = 0;
  const server = net.createServer((client) => {
    connections++;
    made.join(client, net.connect(broker.port, broker.hostname));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    get connections() {
      return connections;
    },
    async [Symbol.asyncDispose]() {
      await made.close(server);
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** A proxy that knows HTTP's CONNECT, and nothing else. */
export async function httpProxy() {
  const made = pipes();
  const targets: string[] = [];
  const server = net.createServer((client) => {
    client.once("data", (bytes) => {
      const target = /^CONNECT (\S+):(\d+) HTTP/.exec(`${bytes}`);
      if (target === null) return client.destroy();
      targets.push(`${target[1]}:${target[2]}`);
      const upstream = net.connect(Number(target[2]), target[1], () => {
        client.write("HTTP/1.1 200 Connection established\r\n\r\n");
        made.join(client, upstream);
      });
      upstream.on("error", () => client.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as net.AddressInfo).port,
    targets,
    [Symbol.asyncDispose]: () => made.close(server),
  };
}
