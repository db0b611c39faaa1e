/** Why TLS could not be set up, by the codes of Node and OpenSSL, which Deno gives as well, most of the time. */

import type { Endpoint } from "../endpoints.ts";
import type { LapinmqErrorCode } from "../errors.ts";

/** What to tell. */
export interface TlsProblem {
  readonly why: string;
  readonly code: LapinmqErrorCode;
}

/** How Node names the checks of a certificate that failed. */
const CERTIFICATE_CODES = [
  /^UNABLE_TO_/,
  /^CERT_/,
  /^(DEPTH_ZERO_)?SELF_SIGNED_CERT/,
  /^ERROR_IN_CERT_/,
  /^ERR_TLS_CERT_/,
  /^(INVALID_CA|PATH_LENGTH_EXCEEDED|INVALID_PURPOSE|HOSTNAME_MISMATCH)$/,
];

/** What a TLS alert of the broker is about, by its name without underscores, in lower case. */
const ABOUT_CLIENT = [
  "certificaterequired",
  "badcertificate",
  "unsupportedcertificate",
  "certificaterevoked",
  "certificateexpired",
  "certificateunknown",
  "unknownca",
  "accessdenied",
];
const PASSES = ["internalerror", "closenotify", "usercancelled"];

/**
 * Tells whether an error is of TLS, and what it says.
 *
 * @returns `undefined` if it is of something else.
 */
export function tlsError(
  message: string,
  code: string | number | undefined,
  { tls }: Endpoint,
): TlsProblem | undefined {
  const name = typeof code === "string" ? code : "";
  const alert = alertName(name, message);
  if (alert !== undefined) return alertError(alert, tls?.cert !== undefined, message);
  // A connection that was cut says nothing of what is at its other end.
  if (/^E[A-Z0-9]+$/.test(name)) return undefined;
  if (
    CERTIFICATE_CODES.some((pattern) => pattern.test(name)) ||
    message.includes("invalid peer certificate") || /certificate|UnknownIssuer/.test(message)
  ) {
    return {
      why:
        `its certificate is not trusted (${message}): give its authority in "tls.caCerts", and ` +
        `the name it was made for in "tls.serverName"`,
      code: "CERTIFICATE",
    };
  }
  if (name.startsWith("ERR_SSL_") || /corrupt message|InvalidContentType/.test(message)) {
    return {
      why: `it does not speak TLS as expected (${message}): TLS is on port 5671 by default; use ` +
        `amqp:// for a port without it`,
      code: "NOT_TLS",
    };
  }
  return undefined;
}

/** The name of the alert with which the other side ended TLS. */
function alertName(code: string, message: string): string | undefined {
  const name = /^ERR_SSL_.*_ALERT_([A-Z_]+)$/.exec(code)?.[1] ??
    /received fatal alert: (\w+)/.exec(message)?.[1];
  return name?.replaceAll("_", "").toLowerCase();
}

function alertError(alert: string, hasCert: boolean, message: string): TlsProblem {
  if (ABOUT_CLIENT.includes(alert)) {
    return {
      why: hasCert
        ? `it refused the client's certificate (${message}): give one of an authority that the ` +
          `broker trusts as "tls.cert", with its chain`
        : `it wants a client's certificate (${message}): give one as "tls.cert", and its key as ` +
          `"tls.key"`,
      code: "CLIENT_CERTIFICATE",
    };
  }
  if (PASSES.includes(alert)) {
    return { why: `it ended TLS with a fault of its own (${message})`, code: "CONNECTION" };
  }
  return {
    why: `it ended the handshake of TLS (${message}): it may take other versions of TLS` +
      (hasCert ? "" : `, or want a client's certificate ("tls.cert" and "tls.key")`),
    code: "NOT_TLS",
  };
}
