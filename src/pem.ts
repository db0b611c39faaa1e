import { ConfigurationError } from "./errors.ts";

/** What is looked for in a text in PEM form. */
export type PemKind = "certificate" | "private key";

const LABELS: Readonly<Record<PemKind, readonly string[]>> = {
  "certificate": ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"],
  "private key": ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"],
};

/** One block: its label, and what stands between its two lines. */
const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----\s([\s\S]*?)-----END \1-----/g;
const BASE64 = /^[A-Za-z0-9+/=\s]+$/;

/**
 * Refuses what is not in PEM form, or not of this kind: Deno would use nothing of it, and say nothing. Only the form is
 * looked at. An error shows nothing of the value, as it may be a key.
 *
 * @param what Names the value, for the message: `option "tls.cert"`.
 * @param value What was given.
 * @param kind What it must hold.
 */
export function checkPem(what: string, value: unknown, kind: PemKind): string {
  const problem = typeof value === "string"
    ? pemProblem(value, kind)
    : value instanceof Uint8Array
    ? `received bytes: it must be a string in PEM form: decode them with new TextDecoder()`
    : `received a value of type ${
      value === null ? "null" : typeof value
    }: it must be a string in ` +
      `PEM form`;
  if (problem !== undefined) throw new ConfigurationError(`Cannot use the ${what}: ${problem}`);
  return value as string;
}

function pemProblem(text: string, kind: PemKind): string | undefined {
  const blocks = [...text.matchAll(BLOCK)];
  const mine = blocks.filter(([, label]) => LABELS[kind].includes(label));
  if (kind === "private key" && isEncrypted(text)) {
    return `the key is encrypted with a passphrase: decrypt it: openssl pkey -in key.pem`;
  }
  if (mine.length > 0) {
    return mine.every(([, , body]) => BASE64.test(body))
      ? undefined
      : `what stands between its BEGIN and END is not Base64: give the file as it was made`;
  }
  const wanted = `it must hold "-----BEGIN ${LABELS[kind][0]}-----" and its END`;
  if (blocks.length > 0) {
    return `it holds no ${kind}, but "${blocks[0][1]}" in PEM form: give the ${kind}: ${wanted}`;
  }
  if (isPath(text)) {
    return `it looks like the path of a file, not what the file holds: read it first, as with ` +
      `Deno.readTextFileSync(path): ${wanted}`;
  }
  if (text.includes("-----BEGIN ")) return `it is cut off, or its lines were joined: ${wanted}`;
  if (isBinary(text)) {
    const command = kind === "certificate" ? "openssl x509" : "openssl pkey";
    return `it is not PEM but DER, or another binary form: convert it: ${command} -inform der -in FILE`;
  }
  return `it is not in PEM form: ${wanted}`;
}

function isEncrypted(text: string): boolean {
  return text.includes("-----BEGIN ENCRYPTED PRIVATE KEY-----") ||
    text.includes("Proc-Type: 4,ENCRYPTED");
}

function isPath(text: string): boolean {
  return text.length < 1_000 && !/[\r\n]/.test(text) && !isBinary(text) &&
    /[/\\]|\.[a-z0-9]{2,4}$/i.test(text) && !/^[A-Za-z0-9+/=]{60,}$/.test(text);
}

/** DER begins with the tag of a sequence and its length; as text it holds what no text does. */
function isBinary(text: string): boolean {
  // deno-lint-ignore no-control-regex
  return /[\x00-\x08\x0e-\x1f\ufffd]/.test(text) || text.startsWith("0\x82");
}
