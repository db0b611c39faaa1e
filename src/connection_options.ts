import { defaultConnectionName } from "./connection_name.ts";
import { ConfigurationError } from "./errors.ts";
import type { Logger } from "./log.ts";
import { resolveLogger } from "./log.ts";
import type { Dial } from "./amqp/driver.ts";
import type { BackoffOptions } from "./backoff.ts";
import type { CredentialsProvider } from "./credentials.ts";
import { type Endpoint, resolveEndpoints } from "./endpoints.ts";
import type { TlsOptions } from "./tls_options.ts";
import type { AuthMechanism } from "./url_parameters.ts";
import {
  integer,
  knownOptions,
  milliseconds,
  nonEmptyText,
  optionalFunction,
  show,
} from "./validate.ts";

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
   * The longest delay, in milliseconds, from `initialDelayMs` to 2 147 483 647.
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
   * one cluster, tried in turn. Takes the place of `hostname` and `port`. A URL may have parameters
   * (https://www.rabbitmq.com/docs/uri-query-parameters), which hold for it alone: `heartbeat`,
   * `connection_timeout`, `channel_max`, `frame_max`, `auth_mechanism`, and with `amqps://` also
   * `cacertfile`, `certfile`, `keyfile`, `verify` (`verify_peer`) and `server_name_indication`.
   */
  url?: string | readonly string[];
  /**
   * The broker's host name or address; one of IPv6 with or without brackets.
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
   * Gives the user name and password in place of `username` and `password`, for those that change:
   * asked before every attempt to connect, and before they expire if it says when.
   */
  credentials?: CredentialsProvider;
  /**
   * The virtual host.
   *
   * @default {"/"}
   */
  vhost?: string;
  /** `true`, or its details, to encrypt the connection. With `url`, `amqps://` does it. */
  tls?: boolean | TlsOptions;
  /**
   * How to log in: `"plain"` sends the user name and the password; with `"external"` the client's
   * certificate (`tls.cert`) says who it is, which needs the plugin `rabbitmq_auth_mechanism_ssl` at
   * the broker.
   *
   * @default {"plain"}
   */
  authMechanism?: AuthMechanism;
  /**
   * Opens the way to the broker in place of a plain TCP connection: through a unix socket or a proxy.
   * Called for every attempt to connect.
   */
  dial?: Dial;
  /**
   * Interval of the heartbeats, in seconds, 1 to 3600. A dead connection is noticed within three.
   *
   * @default {10}
   */
  heartbeatSeconds?: number;
  /**
   * How long one attempt to connect may take, in milliseconds of wall time, 1 to 2 147 483 647.
   *
   * @default {10000}
   */
  connectTimeoutMs?: number;
  /**
   * How long `start()` of a publisher or consumer retries what may pass, such as a broker that is
   * still booting, in milliseconds, 1 to 2 147 483 647.
   *
   * @default {15000}
   */
  startTimeoutMs?: number;
  /** The delays between attempts to reconnect. */
  reconnect?: ReconnectOptions;
  /**
   * The name that the broker shows for the connections, at most 1000 bytes. Default: `lapinmq`,
   * the file that the program began with, without its folder, and its process id, such as
   * `lapinmq worker.ts 1234`.
   */
  connectionName?: string;
  /**
   * Where the library says what it notices. Default: problems that no listener takes go to the
   * console, rate-limited. `null` silences them.
   */
  logger?: Logger | null;
}

/** Validated options with all defaults filled in. */
export interface ResolvedConnectionOptions {
  readonly endpoints: readonly Endpoint[];
  readonly credentials?: CredentialsProvider;
  readonly dial?: Dial;
  /** For an endpoint that asks for none of its own. */
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
  "credentials",
  "vhost",
  "tls",
  "authMechanism",
  "dial",
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
  return {
    endpoints: resolveEndpoints(options).map((endpoint) => withoutOverridden(endpoint, options)),
    credentials: optionalFunction("credentials", options.credentials),
    dial: optionalFunction("dial", options.dial),
    heartbeatSeconds: integer(
      "heartbeatSeconds",
      options.heartbeatSeconds,
      { min: 1, max: 3600, unit: "seconds" },
      10,
    ),
    connectTimeoutMs: milliseconds("connectTimeoutMs", options.connectTimeoutMs, 1, 10_000),
    startTimeoutMs: milliseconds("startTimeoutMs", options.startTimeoutMs, 1, 15_000),
    reconnect: resolveReconnect(options.reconnect),
    connectionName: options.connectionName === undefined
      ? defaultConnectionName()
      : nonEmptyText("connectionName", options.connectionName, 1000),
    log: resolveLogger(checkLogger(options.logger)),
  };
}

/** An option wins over the parameters of all URLs. */
function withoutOverridden(endpoint: Endpoint, options: ConnectionOptions): Endpoint {
  const { heartbeatSeconds, connectTimeoutMs, ...rest } = endpoint;
  return {
    ...rest,
    ...(heartbeatSeconds !== undefined && options.heartbeatSeconds === undefined
      ? { heartbeatSeconds }
      : {}),
    ...(connectTimeoutMs !== undefined && options.connectTimeoutMs === undefined
      ? { connectTimeoutMs }
      : {}),
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
