/** A private node that speaks TLS itself and asks for client certificates. */

import { freePort } from "../../tools/broker/ports.ts";
import type { TlsOptions } from "../../mod.ts";
import { type Certificate, hasOpenssl, makeCertificate } from "./certificates.ts";
import { eventually } from "./eventually.ts";
import { noNodes, type PrivateNode, privateNodes } from "./nodes.ts";

/** The name that the certificate of the client gives. */
export const CLIENT_NAME = "client.example";

/** For `ignore`: such a node cannot be had. */
export const noTlsBroker = noNodes || !hasOpenssl;

/** Such a node, and what belongs to it; made before the first test of a file. */
export interface TlsBroker {
  readonly port: number;
  readonly node: PrivateNode;
  readonly authority: Certificate;
  /** A certificate for the client, of the authority that the node trusts. */
  readonly client: Certificate;
  /** The server's own. */
  readonly server: Certificate;
  /** Options of TLS with this certificate of the client, or none. */
  tls(client?: Partial<Certificate>): TlsOptions;
}

/** Starts the node before the first test of a file, and stops it after the last. */
export function tlsBroker(): TlsBroker {
  const made: {
    -readonly [name in "port" | "authority" | "client" | "server"]?: TlsBroker[name];
  } = {};
  const nodes = noTlsBroker ? [] : privateNodes(1, async () => {
    const authority = made.authority = await makeCertificate();
    const server = made.server = await makeCertificate({
      issuer: authority,
      names: ["localhost", "127.0.0.1"],
    });
    made.client = await makeCertificate({ issuer: authority, names: [CLIENT_NAME] });
    made.port = freePort();
    return {
      plugins: ["rabbitmq_auth_mechanism_ssl"],
      files: { "ca.pem": authority.cert, "cert.pem": server.cert, "key.pem": server.key },
      config: [
        `listeners.ssl.1 = 127.0.0.1:${made.port}`,
        "ssl_options.cacertfile = $FOLDER/ca.pem",
        "ssl_options.certfile = $FOLDER/cert.pem",
        "ssl_options.keyfile = $FOLDER/key.pem",
        "ssl_options.verify = verify_peer",
        "ssl_options.fail_if_no_peer_cert = true",
        "auth_mechanisms.1 = PLAIN",
        "auth_mechanisms.2 = EXTERNAL",
        "ssl_cert_login_from = common_name",
      ],
    };
  });
  if (!noTlsBroker) {
    // It listens for TLS a moment later than without.
    Deno.test.beforeAll(async () => {
      await eventually("the node listens for TLS", async () => {
        try {
          (await Deno.connect({ hostname: "127.0.0.1", port: made.port! })).close();
          return true;
        } catch {
          return false;
        }
      });
    });
  }
  return {
    get port() {
      return made.port!;
    },
    get node() {
      return nodes[0];
    },
    get authority() {
      return made.authority!;
    },
    get client() {
      return made.client!;
    },
    get server() {
      return made.server!;
    },
    tls: (client = {}) => ({ caCerts: [made.authority!.cert], ...client }),
  };
}
