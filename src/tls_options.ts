import { ConfigurationError } from "./errors.ts";
import { checkPem } from "./pem.ts";
import { knownOptions, nonEmptyText, show } from "./validate.ts";

/** How a connection is encrypted and the broker is recognised. */
export interface TlsOptions {
  /**
   * Certificates of the authorities to trust, in PEM form: what the files hold, not their paths.
   * Default: those that the runtime trusts.
   */
  caCerts?: readonly string[];
  /** The name that the broker's certificate must carry. Default: the host name. */
  serverName?: string;
  /** The client's own certificate, in PEM form, if the broker asks for one. It needs `key`. */
  cert?: string;
  /** The private key of `cert`, in PEM form, without a passphrase. It appears in no error. */
  key?: string;
}

/**
 * Validates the option `tls`; `false` is a connection without it.
 *
 * @throws {ConfigurationError} If something in it is malformed.
 */
export function resolveTls(tls: unknown): TlsOptions | false {
  if (tls === true) return {};
  if (tls === false) return false;
  if (tls === null || typeof tls !== "object") {
    throw new ConfigurationError(
      `Cannot use option "tls": received ${show(tls)}: it must be true, false or an object`,
    );
  }
  const known = knownOptions("TLS options", tls, ["caCerts", "serverName", "cert", "key"]);
  const { caCerts, serverName, cert, key } = known;
  if (caCerts !== undefined && !Array.isArray(caCerts)) {
    const received = typeof caCerts === "string" ? "a string" : show(caCerts);
    throw new ConfigurationError(
      `Cannot use option "tls.caCerts": received ${received}: it must be an array of strings in ` +
        `PEM form`,
    );
  }
  caCerts?.forEach((one, index) =>
    checkPem(`option "tls.caCerts" at index ${index}`, one, "certificate")
  );
  if (serverName !== undefined) nonEmptyText("tls.serverName", serverName);
  if (cert !== undefined) checkPem(`option "tls.cert"`, cert, "certificate");
  if (key !== undefined) checkPem(`option "tls.key"`, key, "private key");
  if ((cert === undefined) !== (key === undefined)) {
    throw new ConfigurationError(
      `Cannot use option "tls.${cert === undefined ? "key" : "cert"}" alone: ` +
        `a client's certificate needs its key: give both`,
    );
  }
  return { ...(tls as TlsOptions) };
}
