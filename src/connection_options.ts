import { ConfigurationError } from "./errors.ts";
import type { Logger } from "./log.ts";
import { resolveLogger } from "./log.ts";
import type { BackoffOptions } from "./backoff.ts";
import { readEnvironment } from "./runtime.ts";
import { integer, knownOptions, milliseconds, nonEmptyText, show, text } from "./validate.ts";

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

/** How long to wait before a lost connection is tried again. */
export interface ReconnectOptions {
  /**
   * The delay before the second attempt, in milliseconds (1 to 2 147 483 647); it doubles with each
   * further one, and has jitter.
   *
   * @default {100}
   */
  initialDelayMs?: number;
  /**
   * The longest delay, in milliseconds, not below `initialDelayMs`.
   *
   * @default {5000}
   */
  maxDelayMs?: number;
}

/**
 * Options of a `Connection`. What is missing comes from the environment: `RABBITMQ_URL`, which wins
 * over the rest, or `RABBITMQ_HOST`, `RABBITMQ_PORT`, `RABBITMQ_USERNAME`, `RABBITMQ_PASSWORD` and
 * `RABBITMQ_VHOST`; else from the defaults.
 */
export interface ConnectionOptions {
  /**
   * The broker, as `amqp://user:password@host:port/vhost` or `amqps://…`; or several, the nodes of
   * one cluster, tried in turn. Takes the place of `hostname` and `port`.
   */
  url?: string | readonly string[];
  /**
   * The broker's host name or address.
   *
   * @default {"localhost"}
   */
  hostname?: string;
  /** The broker's port, 1 to 65535. Default: 5672, with TLS 5671. */
  port?: number;
  /**
   * The user name.
   *
   * @default {"guest"}
   */
  username?: string;
  /**
   * The password. It appears in no error, log line or event.
   *
   * @default {"guest"}
   */
  password?: string;
  /**
   * The virtual host.
   *
   * @default {"/"}
   */
  vhost?: string;
  /** `true`, or its details, to encrypt the connection. With `url`, `amqps://` does it. */
  tls?: boolean | TlsOptions;
  /**
   * Interval of the heartbeats, in seconds, 1 to 3600. A dead connection is noticed within three.
   *
   * @default {10}
   */
  heartbeatSeconds?: number;
  /**
   * How long one attempt to connect may take, in milliseconds of wall time.
   *
   * @default {10000}
   */
  connectTimeoutMs?: number;
  /**
   * How long `start()` of a publisher or consumer retries what may pass, such as a broker that is
   * still booting, in milliseconds.
   *
   * @default {15000}
   */
  startTimeoutMs?: number;
  /** The delays between attempts to reconnect. */
  reconnect?: ReconnectOptions;
  /** The name that the broker shows for the connections. Default: the broker gives none. */
  connectionName?: string;
  /**
   * Where the library says what it notices. Default: problems that no listener takes go to the
   * console, rate-limited. `null` silences them.
   */
  logger?: Logger | null;
}

/** One address to try, with all that is needed to log in there. */
export interface Endpoint {
  readonly hostname: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly vhost: string;
  readonly tls: TlsOptions | undefined;
}

/** Validated options with all defaults filled in. */
export interface ResolvedConnectionOptions {
  readonly endpoints: readonly Endpoint[];
  readonly heartbeatSeconds: number;
  readonly connectTimeoutMs: number;
  readonly startTimeoutMs: number;
  readonly reconnect: BackoffOptions;
  readonly connectionName: string | undefined;
  readonly log: Logger;
}

const OPTION_NAMES = [
  "url",
  "hostname",
  "port",
  "username",
  "password",
  "vhost",
  "tls",
  "heartbeatSeconds",
  "connectTimeoutMs",
  "startTimeoutMs",
  "reconnect",
  "connectionName",
  "logger",
] as const;

/** Validates the options and fills in what is missing. */
export function resolveConnectionOptions(options: ConnectionOptions): ResolvedConnectionOptions {
  knownOptions("connection", options, OPTION_NAMES);
  const { endpoints, heartbeatOfUrl } = resolveEndpoints(options);
  return {
    endpoints,
    heartbeatSeconds: integer(
      "heartbeatSeconds",
      options.heartbeatSeconds ?? heartbeatOfUrl,
      { min: 1, max: 3600, unit: "seconds" },
      10,
    ),
    connectTimeoutMs: milliseconds("connectTimeoutMs", options.connectTimeoutMs, 1, 10_000),
    startTimeoutMs: milliseconds("startTimeoutMs", options.startTimeoutMs, 0, 15_000),
    reconnect: resolveReconnect(options.reconnect),
    connectionName: options.connectionName === undefined
      ? undefined
      : nonEmptyText("connectionName", options.connectionName, 1000),
    log: resolveLogger(checkLogger(options.logger)),
  };
}

function resolveReconnect(reconnect: ReconnectOptions = {}): BackoffOptions {
  knownOptions("reconnect options", reconnect, ["initialDelayMs", "maxDelayMs"]);
  const initialDelayMs = milliseconds(
    "reconnect.initialDelayMs",
    reconnect.initialDelayMs,
    1,
    Math.min(100, reconnect.maxDelayMs ?? 100),
  );
  const maxDelayMs = milliseconds(
    "reconnect.maxDelayMs",
    reconnect.maxDelayMs,
    initialDelayMs,
    Math.max(5_000, initialDelayMs),
  );
  return { initialDelayMs, maxDelayMs };
}

function checkLogger(logger: Logger | null | undefined): Logger | null | undefined {
  if (logger === undefined || logger === null) return logger;
  for (const level of ["debug", "info", "warn", "error"] as const) {
    if (typeof logger !== "object" || typeof logger[level] !== "function") {
      throw new ConfigurationError(
        `Cannot use option "logger": received ${show(logger)}: it must have the methods debug, ` +
          `info, warn and error, or be null`,
      );
    }
  }
  return logger;
}

function resolveEndpoints(
  options: ConnectionOptions,
): { endpoints: Endpoint[]; heartbeatOfUrl: number | undefined } {
  const credentials = {
    username: options.username === undefined ? undefined : credential("username", options.username),
    password: options.password === undefined ? undefined : credential("password", options.password),
    vhost: options.vhost === undefined ? undefined : nonEmptyText("vhost", options.vhost),
  };
  const tls = options.tls === undefined ? undefined : resolveTls(options.tls);
  const urls = options.url ??
    (options.hostname === undefined && options.port === undefined
      ? readEnvironment("RABBITMQ_URL") || undefined
      : undefined);
  if (urls === undefined) {
    const port = options.port === undefined ? environmentPort() : integer(
      "port",
      options.port,
      { min: 1, max: 65535 },
      5672,
    );
    return {
      endpoints: [{
        hostname: options.hostname === undefined
          ? environmentText("RABBITMQ_HOST", "localhost")
          : nonEmptyText("hostname", options.hostname),
        port: port ?? (tls ? 5671 : 5672),
        username: credentials.username ?? environmentText("RABBITMQ_USERNAME", "guest"),
        password: credentials.password ?? environmentText("RABBITMQ_PASSWORD", "guest"),
        vhost: credentials.vhost ?? environmentText("RABBITMQ_VHOST", "/"),
        tls: tls || undefined,
      }],
      heartbeatOfUrl: undefined,
    };
  }
  const source = options.url === undefined ? `variable RABBITMQ_URL` : `option "url"`;
  if (options.url !== undefined && (options.hostname !== undefined || options.port !== undefined)) {
    throw new ConfigurationError(
      `Cannot use option "${options.hostname === undefined ? "port" : "hostname"}" together with ` +
        `"url": both name a broker: give one of them`,
    );
  }
  const list = typeof urls === "string" ? [urls] : urls;
  if (!Array.isArray(list) || list.length === 0) {
    throw new ConfigurationError(
      `Cannot use option "url": received ${show(urls)}: it must be a string, or an array of at ` +
        `least one`,
    );
  }
  const parsed = list.map((url) => parseUrl(source, url));
  return {
    endpoints: parsed.map((url) => {
      for (const name of ["username", "password", "vhost"] as const) {
        if (credentials[name] !== undefined && url[name] !== undefined) {
          throw new ConfigurationError(
            `Cannot use option "${name}": the ${source} holds one too: give one of them`,
          );
        }
      }
      if (tls !== undefined && Boolean(tls) !== url.encrypted) {
        throw new ConfigurationError(
          `Cannot use option "tls" as it is: the ${source} says ` +
            `${url.encrypted ? `"amqps:"` : `"amqp:"`}: make them agree`,
        );
      }
      const noCredentials = url.username === undefined && url.password === undefined;
      return {
        hostname: url.hostname,
        port: url.port ?? (url.encrypted ? 5671 : 5672),
        username: credentials.username ?? url.username ?? (noCredentials ? "guest" : ""),
        password: credentials.password ?? url.password ?? (noCredentials ? "guest" : ""),
        vhost: credentials.vhost ?? url.vhost ?? "/",
        tls: url.encrypted ? tls || {} : undefined,
      };
    }),
    heartbeatOfUrl: parsed[0].heartbeatSeconds,
  };
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

function resolveTls(tls: unknown): TlsOptions | false {
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

interface ParsedUrl {
  readonly encrypted: boolean;
  readonly hostname: string;
  readonly port: number | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly vhost: string | undefined;
  readonly heartbeatSeconds: number | undefined;
}

/** Parses an AMQP URI (https://www.rabbitmq.com/docs/uri-spec). Never shows it: it may hold a password. */
function parseUrl(source: string, value: unknown): ParsedUrl {
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
    if (!/^[0-9]+$/.test(parameter)) return refuse(`its heartbeat is not a number of seconds`);
    heartbeatSeconds = Number(parameter);
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

function environmentText(name: string, otherwise: string): string {
  // An empty variable counts as unset, as it does in most programs.
  const value = readEnvironment(name) || otherwise;
  if (value.includes("\0")) {
    throw new ConfigurationError(`Cannot use variable ${name}: it holds a NUL character: mend it`);
  }
  return text(name, value, 1024);
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
    throw new ConfigurationError(
      `Cannot use variable RABBITMQ_PORT: received ${show(value)}: it must be a number from 1 to ` +
        `65535, or the form tcp://host:port`,
    );
  }
  return port;
}
