import { ConfigurationError } from "./errors.ts";
import { parseUrlParameters, type UrlParameters } from "./url_parameters.ts";
import { show } from "./validate.ts";

/** The parts of an AMQP URI; what it leaves out is `undefined`. */
export interface ParsedUrl {
  readonly encrypted: boolean;
  readonly hostname: string;
  readonly port: number | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly vhost: string | undefined;
  readonly parameters: UrlParameters;
}

/** Several URLs in one text: a comma or white space before the next scheme parts them. */
const BETWEEN_URLS = /[\s,]+(?=amqps?:\/\/)/i;

/** The URLs in one text. A comma elsewhere is left alone: a password or virtual host may hold one. */
export function splitUrls(text: string): string[] {
  return text.trim().split(BETWEEN_URLS);
}

/**
 * Parses an AMQP URI (https://www.rabbitmq.com/docs/uri-spec). An error never shows it, as it may hold
 * a password.
 *
 * @param source Where it comes from, for the error message.
 * @param value The URI.
 */
export function parseAmqpUrl(source: string, value: unknown): ParsedUrl {
  const refuse = (why: string, advice?: string): never => {
    throw new ConfigurationError(
      `Cannot use the ${source}: ${why}: ${
        advice ?? `write it as "amqp://user:password@host:port/vhost"`
      }`,
    );
  };
  if (typeof value !== "string") return refuse(`it is ${show(value)}, not a string`);
  let url: URL;
  try {
    url = new URL(value);
  } catch {
    return refuse("it is not a URL, or its port is not a number from 1 to 65535");
  }
  if (url.protocol !== "amqp:" && url.protocol !== "amqps:") {
    return refuse(`its scheme is "${url.protocol}", which is neither "amqp:" nor "amqps:"`);
  }
  if (url.hostname.includes(",")) {
    return refuse(
      "its host holds a comma",
      `give several nodes as whole URLs: as an array in the option "url", or with a comma between ` +
        `them in RABBITMQ_URL`,
    );
  }
  if (url.hostname.includes("%")) {
    return refuse(
      "its host is percent-encoded, or holds letters that a host name cannot have",
      `write the host name as it is, in ASCII ("xn--…" for other letters); for a unix socket use ` +
        `the option "dial"`,
    );
  }
  if (url.port === "0") return refuse("its port is 0, not a number from 1 to 65535");
  if (url.hash !== "") {
    return refuse(`it holds a "#", which must be written as %23 in a user name or password`);
  }
  const decode = (part: string, name: string): string | undefined => {
    if (part === "") return undefined;
    try {
      return decodeURIComponent(part);
    } catch {
      return refuse(`its ${name} holds a "%" that is not followed by two hexadecimal digits`);
    }
  };
  const path = url.pathname.replace(/^\//, "");
  if (path.includes("/")) {
    return refuse(`its virtual host holds a "/", which must be written as %2F`);
  }
  const encrypted = url.protocol === "amqps:";
  return {
    encrypted,
    hostname: url.hostname.replace(/^\[|\]$/g, "") || "localhost",
    port: url.port === "" ? undefined : Number(url.port),
    username: decode(url.username, "user name"),
    password: decode(url.password, "password"),
    vhost: decode(path, "virtual host"),
    parameters: parseUrlParameters(url.searchParams, encrypted, refuse),
  };
}
