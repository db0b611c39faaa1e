import type { Endpoint } from "../endpoints.ts";
import { ConnectionError } from "../errors.ts";

/**
 * Whether TLS failed as the client's own certificate and key cannot be used, and why. The runtimes say little of it, and
 * each in its own words: so both are looked at.
 *
 * @returns `undefined` if nothing is known to be wrong with them.
 */
export async function clientCertificateError(
  cause: unknown,
  { hostname, port, tls }: Endpoint,
): Promise<ConnectionError | undefined> {
  if (tls?.cert === undefined || tls.key === undefined || isOfBroker(cause)) return undefined;
  const why = await wrongWith(tls.cert, tls.key);
  if (why === undefined) return undefined;
  return new ConnectionError(
    `Cannot connect to the broker at ${hostname}:${port} with TLS: ${why}`,
    { code: "CLIENT_CERTIFICATE", cause },
  );
}

/** What AMQP says, or a connection that was never made, is not about certificates. */
function isOfBroker(cause: unknown): boolean {
  const { code, message } = cause as { code?: unknown; message?: unknown };
  return code === "ECONNREFUSED" || code === "ENOTFOUND" || code === "EAI_AGAIN" ||
    code === "DIAL" || /^(Handshake terminated|Expected )/.test(`${message}`);
}

async function wrongWith(cert: string, key: string): Promise<string | undefined> {
  const { createPublicKey, X509Certificate } = await import("node:crypto");
  const x509 = await attempt(() => new X509Certificate(cert));
  if (x509 === undefined) {
    return `its own certificate, "tls.cert", cannot be read: see what is in it with openssl x509 ` +
      `-noout -text`;
  }
  // If the runtime does not know the kind of key, there is no verdict.
  const ofCertificate = await attempt(() => spki(x509.publicKey));
  const ofKey = await attempt(() => spki(createPublicKey(key)));
  if (ofKey === undefined && ofCertificate !== undefined) {
    return `the key "tls.key" cannot be read: see what is in it with openssl pkey -noout -text`;
  }
  if (ofKey !== undefined && ofCertificate !== undefined && ofKey !== ofCertificate) {
    return `the key "tls.key" belongs to another certificate than "tls.cert": give the pair`;
  }
  const [from, to] = [x509.validFrom, x509.validTo].map((text) => Date.parse(text));
  const now = Date.now();
  if (to < now) {
    return `the client's own certificate, "tls.cert", has expired (${x509.validTo}): renew it`;
  }
  if (from > now) {
    return `the client's own certificate, "tls.cert", is not valid before ${x509.validFrom}: see ` +
      `whether the clock is right`;
  }
  return undefined;
}

function spki(
  key: { export(options: { type: "spki"; format: "der" }): Uint8Array | string },
): string {
  return String(key.export({ type: "spki", format: "der" }));
}

function attempt<T>(code: () => T): T | undefined {
  try {
    return code();
  } catch {
    return undefined;
  }
}
