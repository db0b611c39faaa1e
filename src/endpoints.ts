import { parseAmqpUrl, type ParsedUrl, splitUrls } from "./amqp_url.ts";
import type { ConnectionOptions } from "./connection_options.ts";
import { ConfigurationError } from "./errors.ts";
import { environmentIsDenied, readEnvironment } from "./runtime.ts";
import { resolveTls, type TlsOptions } from "./tls_options.ts";
import type { AuthMechanism } from "./url_parameters.ts";
import { integer, nonEmptyText, oneOf, show, text } from "./validate.ts";

/** One address to try, with all that is needed to log in there. */
export interface Endpoint {
  readonly hostname: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly vhost: string;
  readonly tls: TlsOptions | undefined;
  /** The client's certificate says who logs in, and user name and password are not sent. */
  readonly external?: true;
  /** What its own URL asks for. */
  readonly heartbeatSeconds?: number;
  readonly connectTimeoutMs?: number;
  readonly channelMax?: number;
  readonly frameMaxBytes?: number;
  /** What to know of the address if it does not answer. */
  readonly note?: string;
}

/** Parts of an address that were given as options of their own. */
interface GivenParts {
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly vhost: string | undefined;
  readonly tls: TlsOptions | false | undefined;
  readonly authMechanism: AuthMechanism | undefined;
}

/** Where to connect and how to log in: from the options, else the environment, else the defaults. */
export function resolveEndpoints(options: ConnectionOptions): readonly Endpoint[] {
  const endpoints = endpointsOf(options);
  for (const name of ["username", "password", "credentials"] as const) {
    if (options[name] !== undefined && endpoints.some(({ external }) => external)) {
      throw new ConfigurationError(
        `Cannot use option "${name}" together with the mechanism "external": the client's ` +
          `certificate says who logs in: leave one of them out`,
      );
    }
  }
  return endpoints;
}

function endpointsOf(options: ConnectionOptions): readonly Endpoint[] {
  const { url, hostname, port } = options;
  const authMechanism = options.authMechanism === undefined
    ? undefined
    : oneOf("authMechanism", options.authMechanism, ["plain", "external"], "plain");
  for (const name of ["username", "password"] as const) {
    if (options.credentials !== undefined && options[name] !== undefined) {
      throw new ConfigurationError(
        `Cannot use option "${name}" together with "credentials": both say how to log in: give one ` +
          `of them`,
      );
    }
  }
  const given: GivenParts = {
    username: options.username === undefined ? undefined : credential("username", options.username),
    password: options.password === undefined ? undefined : credential("password", options.password),
    vhost: options.vhost === undefined ? undefined : nonEmptyText("vhost", options.vhost),
    tls: options.tls === undefined ? undefined : resolveTls(options.tls),
    authMechanism,
  };
  if (url !== undefined) {
    if (hostname !== undefined || port !== undefined) {
      throw new ConfigurationError(
        `Cannot use option "${
          hostname === undefined ? "port" : "hostname"
        }" together with "url": ` +
          `both name a broker: give one of them`,
      );
    }
    return fromUrls(`option "url"`, url, given, true);
  }
  const ofEnvironment = hostname === undefined && port === undefined
    ? readEnvironment("RABBITMQ_URL")
    : undefined;
  return ofEnvironment
    ? fromUrls("variable RABBITMQ_URL", splitUrls(ofEnvironment), given, false)
    : fromParts(options, given);
}

function fromParts({ hostname, port }: ConnectionOptions, given: GivenParts): Endpoint[] {
  const { username, password, vhost, tls, authMechanism } = given;
  const chosenPort = port === undefined
    ? environmentPort()
    : integer("port", port, { min: 1, max: 65_535 }, 0);
  return [{
    hostname: hostname === undefined
      ? hostName("variable RABBITMQ_HOST", environmentText("RABBITMQ_HOST", "localhost"))
      : hostName(`option "hostname"`, nonEmptyText("hostname", hostname)),
    port: chosenPort ?? (tls ? 5671 : 5672),
    username: username ?? environmentText("RABBITMQ_USERNAME", "guest"),
    password: password ?? environmentText("RABBITMQ_PASSWORD", "guest"),
    vhost: vhost ?? text("RABBITMQ_VHOST", environmentText("RABBITMQ_VHOST", "/")),
    tls: tls || undefined,
    ...mechanism(`option "authMechanism"`, authMechanism && [authMechanism], tls || undefined),
    ...(hostname === undefined && environmentIsDenied("RABBITMQ_HOST")
      ? { note: "by default, as RABBITMQ_HOST may not be read: see --allow-env" }
      : {}),
  }];
}

/** @param strict Refuses a part that is given twice; a variable merely gives way to an option. */
function fromUrls(
  source: string,
  urls: unknown,
  given: GivenParts,
  strict: boolean,
): Endpoint[] {
  const list = typeof urls === "string" ? [urls] : urls;
  if (!Array.isArray(list) || list.length === 0) {
    throw new ConfigurationError(
      `Cannot use option "url": received ${show(urls)}: it must be a string, or an array of at ` +
        `least one`,
    );
  }
  const parsed = list.map((url) => parseAmqpUrl(source, url));
  for (const url of parsed) {
    for (const name of ["username", "password", "vhost"] as const) {
      if (strict && given[name] !== undefined && url[name] !== undefined) {
        throw new ConfigurationError(
          `Cannot use option "${name}": the ${source} holds one too: give one of them`,
        );
      }
    }
    if (given.tls !== undefined && Boolean(given.tls) !== url.encrypted) {
      throw new ConfigurationError(
        `Cannot use option "tls" as it is: the ${source} says ` +
          `${url.encrypted ? `"amqps:"` : `"amqp:"`}: make them agree`,
      );
    }
    if (strict) refuseTwice(source, url, given);
  }
  return parsed.map((url): Endpoint => {
    // Only if neither is given do the defaults of the broker apply.
    const otherwise = url.username === undefined && url.password === undefined ? "guest" : "";
    const { authMechanisms, tls: ofUrl, ...parameters } = url.parameters;
    const tls = url.encrypted ? { ...ofUrl, ...(given.tls || {}) } : undefined;
    return {
      hostname: url.hostname,
      port: url.port ?? (url.encrypted ? 5671 : 5672),
      username: given.username ?? url.username ?? otherwise,
      password: given.password ?? url.password ?? otherwise,
      vhost: given.vhost ?? url.vhost ?? "/",
      tls,
      ...parameters,
      ...(given.authMechanism === undefined
        ? mechanism(`parameter auth_mechanism of the ${source}`, authMechanisms, tls)
        : mechanism(`option "authMechanism"`, [given.authMechanism], tls)),
    };
  });
}

/** Refuses what an option and a parameter of the URL both say: one of them would be dropped in silence. */
function refuseTwice(source: string, { parameters }: ParsedUrl, given: GivenParts): void {
  const twice = (["caCerts", "cert", "key", "serverName"] as const).find((name) =>
    parameters.tls?.[name] !== undefined && (given.tls || {})[name] !== undefined
  );
  const name = twice !== undefined
    ? `tls.${twice}`
    : given.authMechanism !== undefined && parameters.authMechanisms !== undefined
    ? "authMechanism"
    : undefined;
  if (name === undefined) return;
  throw new ConfigurationError(
    `Cannot use option "${name}": the ${source} has a parameter for it: give one of them`,
  );
}

/** The first of these that can be used: only a client's certificate can take the place of a password. */
function mechanism(
  source: string,
  wished: readonly AuthMechanism[] | undefined,
  tls: TlsOptions | undefined,
): { readonly external?: true } {
  const hasCertificate = tls?.cert !== undefined;
  const chosen = wished?.find((one) => one === "plain" || hasCertificate);
  if (wished !== undefined && chosen === undefined) {
    throw new ConfigurationError(
      `Cannot use the ${source}: with "external" the client's certificate says who logs in, and ` +
        `there is none: give it as "tls.cert" and "tls.key"`,
    );
  }
  return chosen === "external" ? { external: true } : {};
}

function credential(name: string, value: unknown): string {
  // The value is left out of the message: it may be a secret in the wrong place.
  if (typeof value !== "string" || value.includes("\0")) {
    throw new ConfigurationError(
      `Cannot use option "${name}": it must be a string without NUL characters` +
        (typeof value === "string" ? "" : `: received a value of type ${typeof value}`),
    );
  }
  return value;
}

function environmentText(name: string, otherwise: string): string {
  // An empty variable counts as unset, as it does in most programs.
  const value = readEnvironment(name) || otherwise;
  if (value.includes("\0")) {
    throw new ConfigurationError(`Cannot use variable ${name}: it holds a NUL character: fix it`);
  }
  return value;
}

/**
 * Refuses a URL, or a host with its port, in the place of a host name, and does not show it: it may
 * hold a password.
 */
function hostName(source: string, value: string): string {
  if (/^\[[^[\]]*:[^[\]]*\]$/.test(value)) return value.slice(1, -1); // An IPv6 address, as a URL has it.
  const advice = /[@/]/.test(value) || /\s/.test(value.trim())
    ? `a URL as option "url" or variable RABBITMQ_URL`
    : value.includes(",")
    ? `several nodes as URLs: as an array in option "url", or with a comma between them in ` +
      `RABBITMQ_URL`
    : /^([^:]*|\[.*\]):[0-9]*$/.test(value)
    ? `the port as option "port" or variable RABBITMQ_PORT`
    // The zone of an IPv6 address follows a "%".
    : value.includes("%") && !value.includes(":")
    ? `it as it is, and not percent-encoded; a unix socket as option "dial"`
    : /[[\]\s]/.test(value)
    ? `the name or address and nothing around it`
    : undefined;
  if (advice === undefined) return value;
  throw new ConfigurationError(
    `Cannot use the ${source}: it holds more than a host name or address: give ${advice}`,
  );
}

/**
 * The port of `RABBITMQ_PORT`. Kubernetes sets it to `tcp://10.0.0.1:5672` beside a Service named
 * rabbitmq.
 */
function environmentPort(): number | undefined {
  const value = readEnvironment("RABBITMQ_PORT");
  if (!value) return undefined;
  const digits = /^(?:tcp:\/\/[^/]*:)?([0-9]{1,5})$/.exec(value)?.[1];
  const port = Number(digits);
  if (digits === undefined || port < 1 || port > 65535) {
    const received = value.includes("@") ? "a URL" : show(value); // It may hold a password.
    throw new ConfigurationError(
      `Cannot use variable RABBITMQ_PORT: received ${received}: it must be a number from 1 to ` +
        `65535, or the form tcp://host:port`,
    );
  }
  return port;
}
