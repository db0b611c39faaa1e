import { ConfigurationError } from "./errors.ts";
import { knownOptions, nonEmptyText, show } from "./validate.ts";

/** How a connection is encrypted and the broker is recognised. */
export interface TlsOptions {
  /** Certificates of the authorities to trust, in PEM form. Default: those that Deno trusts. */
  caCerts?: readonly string[];
  /** The name that the broker's certificate must carry. Default: the host name. */
  serverName?: string;
  /** The client's own certificate, in PEM form, where the broker asks for one. */
  cert?: string;
  /** The private key of `cert`, in PEM form. */
  key?: string;
}

/** Validates the option `tls`; `false` is a connection without it. */
export function resolveTls(tls: unknown): TlsOptions | false {
  if (tls === true) return {};
  if (tls === false) return false;
  if (tls === null || typeof tls !== "object") {
    throw new ConfigurationError(
      `Cannot use option "tls": received ${show(tls)}: it must be true, false or an object`,
    );
  }
  const known = knownOptions("TLS options", tls, ["caCerts", "serverName", "cert", "key"]);
  const { caCerts } = known;
  if (
    caCerts !== undefined &&
    (!Array.isArray(caCerts) || caCerts.some((cert) => typeof cert !== "string"))
  ) {
    throw new ConfigurationError(
      `Cannot use option "tls.caCerts": received ${
        show(caCerts)
      }: it must be an array of strings ` +
        `in PEM form`,
    );
  }
  if (known.serverName !== undefined) nonEmptyText("tls.serverName", known.serverName);
  for (const name of ["cert", "key"]) {
    if (known[name] !== undefined && typeof known[name] !== "string") {
      throw new ConfigurationError(
        `Cannot use option "tls.${name}": received a value of type ${typeof known[
          name
        ]}: it must ` +
          `be a string in PEM form`,
      );
    }
  }
  if ((known.cert === undefined) !== (known.key === undefined)) {
    throw new ConfigurationError(
      `Cannot use option "tls.${known.cert === undefined ? "key" : "cert"}" alone: ` +
        `a client's certificate needs its key: give both`,
    );
  }
  return { ...(tls as TlsOptions) };
}
