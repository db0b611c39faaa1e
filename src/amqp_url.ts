import { ConfigurationError } from "./errors.ts";
import { show } from "./validate.ts";

/** The parts of an AMQP URI; what it leaves out is `undefined`. */
export interface ParsedUrl {
  readonly encrypted: boolean;
  readonly hostname: string;
  readonly port: number | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly vhost: string | undefined;
  readonly heartbeatSeconds: number | undefined;
}

/**
 * Parses an AMQP URI (https://www.rabbitmq.com/docs/uri-spec). An error never shows it, as it may hold
 * a password.
 *
 * @param source Where it comes from, for the error message.
 * @param value The URI.
 */
export function parseAmqpUrl(source: string, value: unknown): ParsedUrl {
  const refuse = (why: string): never => {
    throw new ConfigurationError(
      `Cannot use the ${source}: ${why}: write it as "amqp://user:password@host:port/vhost"`,
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
  let heartbeatSeconds: number | undefined;
  for (const [name, parameter] of url.searchParams) {
    if (name !== "heartbeat") {
      return refuse(`it has the parameter "${name}", of which only "heartbeat" is known`);
    }
    heartbeatSeconds = /^[0-9]{1,4}$/.test(parameter) ? Number(parameter) : 0;
    if (heartbeatSeconds < 1 || heartbeatSeconds > 3600) {
      return refuse("its heartbeat is not a number of seconds from 1 to 3600");
    }
  }
  return {
    encrypted: url.protocol === "amqps:",
    hostname: url.hostname.replace(/^\[|\]$/g, "") || "localhost",
    port: url.port === "" ? undefined : Number(url.port),
    username: decode(url.username, "user name"),
    password: decode(url.password, "password"),
    vhost: decode(path, "virtual host"),
    heartbeatSeconds,
  };
}
