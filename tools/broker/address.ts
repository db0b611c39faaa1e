import type { Broker } from "./types.ts";

/** The part of a {@linkcode Broker} that a client needs. */
export type Account = Pick<Broker, "url" | "hostname" | "port" | "username" | "password" | "vhost">;

/** The account with the URL that says the same. */
export function account(parts: Omit<Account, "url">): Account {
  const { hostname, port, username, password, vhost } = parts;
  const login = `${encodeURIComponent(username)}:${encodeURIComponent(password)}`;
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  const path = vhost === "/" ? "" : `/${encodeURIComponent(vhost)}`;
  return { url: `amqp://${login}@${host}:${port}${path}`, ...parts };
}

/** The account that every new broker has, for connections from its own machine only. */
export function guestAt(port: number, hostname = "localhost"): Account {
  return account({ hostname, port, username: "guest", password: "guest", vhost: "/" });
}

/** The port in `5672`, or in the form that Kubernetes sets beside a Service named rabbitmq. */
function portOf(text: string): number {
  const digits = text.match(/^(?:tcp:\/\/.*:)?(\d+)$/)?.[1];
  const port = Number(digits);
  if (digits === undefined || port < 1 || port > 65_535) {
    throw new Error(
      `Cannot use RABBITMQ_PORT: received "${text}": set it to a port from 1 to 65535`,
    );
  }
  return port;
}

function accountOfUrl(text: string): Account {
  const url = URL.parse(text);
  if (!url || !["amqp:", "amqps:"].includes(url.protocol)) {
    throw new Error(
      "Cannot use RABBITMQ_URL: it is no URL of a broker: amqp://user:password@host:port/vhost",
    );
  }
  const path = decodeURIComponent(url.pathname.slice(1));
  return {
    url: text,
    hostname: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: Number(url.port || (url.protocol === "amqps:" ? 5671 : 5672)),
    username: decodeURIComponent(url.username) || "guest",
    password: decodeURIComponent(url.password) || "guest",
    vhost: path === "" ? "/" : path,
  };
}

/** The broker that the user has named, if any: a URL wins over its parts. */
export function namedAccount(environment: Record<string, string | undefined>): Account | undefined {
  const { RABBITMQ_URL, RABBITMQ_HOST, RABBITMQ_PORT } = environment;
  if (RABBITMQ_URL) return accountOfUrl(RABBITMQ_URL);
  if (!RABBITMQ_HOST) return undefined;
  return account({
    hostname: RABBITMQ_HOST,
    port: portOf(RABBITMQ_PORT || "5672"),
    username: environment.RABBITMQ_USERNAME || "guest",
    password: environment.RABBITMQ_PASSWORD || "guest",
    vhost: environment.RABBITMQ_VHOST || "/",
  });
}

/** The variables that lead a program to this broker. */
export function variablesOf(broker: Account): Record<string, string> {
  // The parts cannot say that the connection is to be encrypted; a URL can.
  if (broker.url.startsWith("amqps:")) return { RABBITMQ_URL: broker.url };
  return {
    RABBITMQ_HOST: broker.hostname,
    RABBITMQ_PORT: String(broker.port),
    RABBITMQ_USERNAME: broker.username,
    RABBITMQ_PASSWORD: broker.password,
    RABBITMQ_VHOST: broker.vhost,
  };
}
