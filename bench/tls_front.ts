/** TLS before the broker, which speaks plain AMQP itself. */

import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";
import { makeCertificate } from "../tests/support/certificates.ts";

/** A listener that runs. */
export interface TlsFront extends AsyncDisposable {
  /** Where to connect to in place of the broker. */
  readonly url: string;
  /** Who vouches for it, in PEM form. */
  readonly authority: string;
}

/** Starts a listener on a free port of the loopback interface, which needs openssl. */
export async function startTlsFront(brokerUrl: string): Promise<TlsFront> {
  const { hostname, port } = new URL(brokerUrl);
  const certificate = await makeCertificate({ names: ["127.0.0.1"] });
  const server = tls.createServer(certificate, (socket) => {
    const broker = net.connect({ host: hostname, port: Number(port || 5672), noDelay: true });
    socket.setNoDelay(true);
    for (const [one, other] of [[socket, broker], [broker, socket]]) {
      one.pipe(other);
      one.on("error", () => other.destroy()).on("close", () => other.destroy());
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = new URL(brokerUrl.replace(/^amqp:/, "amqps:"));
  url.hostname = "127.0.0.1";
  url.port = String((server.address() as net.AddressInfo).port);
  return {
    url: url.href,
    authority: certificate.cert,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, "close");
    },
  };
}
