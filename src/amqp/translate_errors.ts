import {
  AccessRefusedError,
  AuthenticationError,
  ChannelError,
  ConnectionError,
  ExchangeNotFoundError,
  type LapinmqErrorCode,
  QueueNotFoundError,
} from "../errors.ts";
import type { Endpoint } from "../endpoints.ts";
import { printable, shownError } from "../printable.ts";
import { isLimit, isOfVhost, type OpenRefusal } from "./open_refusal.ts";
import { tlsError } from "./tls_errors.ts";

/** What is known of an error of amqplib, of a socket, or of Deno itself. */
interface ForeignError {
  readonly name?: string;
  readonly message: string;
  readonly code?: string | number;
  /** Of the method that the broker refused. */
  readonly classId?: number;
  readonly methodId?: number;
}

/** The methods that a broker may refuse, by their numbers of class and method. */
const METHODS: Readonly<Record<string, string>> = {
  "50.10": "queue.declare",
  "50.20": "queue.bind",
  "50.40": "queue.delete",
  "60.10": "basic.qos",
  "60.20": "basic.consume",
  "60.30": "basic.cancel",
  "60.40": "basic.publish",
  "60.80": "basic.ack",
  "60.90": "basic.reject",
  "60.120": "basic.nack",
};

function foreign(error: unknown): ForeignError {
  return error instanceof Error ? error as ForeignError : { message: String(error) };
}

/** An error of amqplib, of a socket or of Deno as the cause of ours, which is printed with it. */
function causeOf(error: unknown): { cause: unknown } {
  return { cause: shownError(error) };
}

/** The broker's own words, without those that amqplib puts around them. */
function brokerWords(message: string): string {
  return /with message "([\s\S]*)"$/.exec(message)?.[1] ?? message;
}

/**
 * Tells in plain words why a connection could not be opened, and what to do about it.
 *
 * @param refusal What the broker closed it with, if that could be read.
 */
export function connectError(
  error: unknown,
  endpoint: Endpoint,
  refusal?: OpenRefusal,
): ConnectionError {
  if (error instanceof ConnectionError) return error;
  const { name, message, code } = foreign(error);
  const words = printable(message);
  const address = `${endpoint.hostname}:${endpoint.port}`;
  const at = `Cannot connect to the broker at ${address}${endpoint.tls ? " with TLS" : ""}` +
    (endpoint.note === undefined ? "" : ` (${endpoint.note})`);
  const make = (why: string, errorCode: LapinmqErrorCode = "CONNECTION") =>
    new ConnectionError(`${at}: ${why}`, {
      code: errorCode,
      replyCode: refusal?.replyCode,
      ...causeOf(error),
    });

  if (endpoint.external && /^SASL mechanism EXTERNAL is not provided/.test(message)) {
    return new AuthenticationError(
      `${at}: it does not let a certificate log in (SASL EXTERNAL): enable its plugin ` +
        `rabbitmq_auth_mechanism_ssl and add EXTERNAL to its auth_mechanisms, or leave out ` +
        `authMechanism "external"`,
      { cause: error },
    );
  }
  if (endpoint.external && /ACCESS[_-]REFUSED/.test(message)) {
    return new AuthenticationError(
      `${at}: it refused the client's certificate: add a user with the name that the certificate ` +
        `gives (see ssl_cert_login_from at the broker), and grant it the virtual host`,
      { cause: error },
    );
  }
  if (/ACCESS[_-]REFUSED/.test(message)) {
    return new AuthenticationError(
      `${at}: it refused the user name "${endpoint.username}" with the password given: correct ` +
        `RABBITMQ_USERNAME and RABBITMQ_PASSWORD, or the options (the user guest may log in from ` +
        `localhost only)`,
      causeOf(error),
    );
  }
  const isOther = refusal !== undefined && !isOfVhost(refusal, endpoint);
  if (isOther && isLimit(refusal)) {
    return make(
      `it takes no more connections for now (${
        printable(refusal.replyText)
      }): close some, or raise the limit`,
      "CONNECTION_LIMIT",
    );
  }
  if (isOther && refusal.replyCode !== 403) {
    return make(`it refused the connection for now: ${printable(refusal.replyText)}`);
  }
  if (/Expected ConnectionOpenOk; got <ConnectionClose/.test(message)) {
    return new AuthenticationError(
      `${at}: it refused the virtual host "${endpoint.vhost}": it does not exist, or the user ` +
        `"${endpoint.username}" may not use it: correct RABBITMQ_VHOST or the option "vhost"`,
      { code: "VHOST", ...causeOf(error) },
    );
  }
  if (name === "NotCapable" || name === "PermissionDenied" || code === "EPERM") {
    return make(`Deno has no permission for it: run with --allow-net=${address}`, "PERMISSION");
  }
  // By their codes first: the messages hold the host name, which may hold any word.
  if (code === "ECONNREFUSED") {
    return make("nothing listens there: start the broker, or correct the host name and port");
  }
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") {
    return make(`the host name "${endpoint.hostname}" is not known: correct it`);
  }
  const ofTls = tlsError(words, code, endpoint);
  if (ofTls !== undefined) return make(ofTls.why, ofTls.code);
  if (/Expected ConnectionStart|[Ff]rame|marker|Invalid/.test(message)) {
    return make(
      `what answers there does not speak AMQP 0-9-1: correct the port (5672 by default)`,
      "NOT_AMQP",
    );
  }
  if (/Socket closed abruptly|ECONNRESET|socket hang up/.test(`${code} ${message}`)) {
    return make(
      `the connection was closed before the broker had answered: it may be booting, or the port ` +
        `may be one for TLS (amqps://) or for another protocol` +
        (endpoint.frameMaxBytes ? `, or frame_max=${endpoint.frameMaxBytes} too small` : ""),
    );
  }
  return make(words);
}

/** What will not pass by itself. */
const PERMANENT: readonly LapinmqErrorCode[] = [
  "AUTHENTICATION",
  "VHOST",
  "PERMISSION",
  "CERTIFICATE",
  "CLIENT_CERTIFICATE",
  "NOT_TLS",
  "NOT_AMQP",
];

/** Whether to try again is pointless until somebody changes something. */
export function isPermanent(error: unknown): boolean {
  if (error instanceof ConnectionError) {
    return PERMANENT.includes(error.code);
  }
  if (!(error instanceof ChannelError)) return false;
  // Reply codes of a refused operation; a code of 5xx is a fault of the broker's that may pass.
  if (error.code === "QUEUE_DOWN") return false;
  return error.code === "CHANNEL_LIMIT" || (error.replyCode !== undefined && error.replyCode < 500);
}

/** Why an open connection was lost. */
export function connectionLost(error: unknown): ConnectionError {
  if (error instanceof ConnectionError) return error;
  if (error === undefined) return new ConnectionError("The connection to the broker was closed");
  const { message, code } = foreign(error);
  const words = printable(brokerWords(message));
  return new ConnectionError(`The connection to the broker was lost: ${words}`, {
    replyCode: typeof code === "number" ? code : undefined,
    ...causeOf(error),
  });
}

/** How the broker speaks of a queue that is there, but not at work. One that is missing is "no queue". */
const QUEUE_IS_DOWN = /^NOT_FOUND - (home node '|queue '|failed to perform operation on )/;

/**
 * What it means for those who were opening a channel that the broker closed the whole connection, as its user has as
 * many channels as it may have; `undefined` if that is not why.
 */
export function userChannelLimit(cause: unknown): ChannelError | undefined {
  const { message, code } = foreign(cause);
  const words = brokerWords(message);
  if (code !== 530 || !words.startsWith("NOT_ALLOWED - number of channels opened for user '")) {
    return undefined;
  }
  return new ChannelError(
    `Cannot open another channel: the user has as many as the broker allows it (${
      printable(words)
    }): raise its ` +
      `limit max-channels, or use fewer publishers and consumers`,
    { code: "CHANNEL_LIMIT", replyCode: 530, replyText: words, ...causeOf(cause) },
  );
}

/** Tells in plain words why the broker closed a channel, or refused an operation on it. */
export function channelError(error: unknown): ChannelError | ConnectionError {
  if (error instanceof ChannelError || error instanceof ConnectionError) return error;
  const { message, code, classId, methodId } = foreign(error);
  if (/No channels left/.test(message)) {
    return new ChannelError(
      `Cannot open another channel: the connection has as many as the broker allows: raise its ` +
        `channel_max, or use several Connections`,
      { code: "CHANNEL_LIMIT", ...causeOf(error) },
    );
  }
  const replyCode = typeof code === "number" ? code : undefined;
  if (replyCode === undefined) return connectionLost(error);
  const replyText = brokerWords(message);
  const words = printable(replyText);
  // The names themselves are data, to compare with.
  const exchange = nameOf("exchange", replyText);
  const queue = nameOf("queue", replyText);
  const method = METHODS[`${classId}.${methodId}`];
  const options = { replyCode, exchange, queue, replyText, method, ...causeOf(error) };
  if (
    replyCode === 404 &&
    (method === "basic.publish" || /^NOT_FOUND - no exchange '/.test(replyText))
  ) {
    return new ExchangeNotFoundError(
      `Cannot use ${
        exchange === undefined ? "the exchange" : `exchange "${printable(exchange)}"`
      }: it does not exist (${words}): declare it, or correct the name`,
      options,
    );
  }
  if (replyCode === 404 && QUEUE_IS_DOWN.test(words)) {
    return new ChannelError(
      `Cannot use ${
        queue === undefined ? "the queue" : `queue "${printable(queue)}"`
      } for now (${words}): it passes when its node, or the queue itself, runs again`,
      { ...options, code: "QUEUE_DOWN" },
    );
  }
  if (replyCode === 404) {
    return new QueueNotFoundError(
      `Cannot use ${
        queue === undefined ? "the queue" : `queue "${printable(queue)}"`
      }: it does not exist (${words}): ` +
        `declare it, or correct the name`,
      options,
    );
  }
  if (replyCode === 405 && queue !== undefined) {
    return new AccessRefusedError(
      `Cannot use queue "${
        printable(queue)
      }": another connection has it to itself (${words}): use another ` +
        `queue, or close that connection`,
      options,
    );
  }
  if (replyCode === 403 || replyCode === 405) {
    return new AccessRefusedError(
      `Cannot do this: the broker refused it (${words}): grant the permission, or use another ` +
        `user, queue or exchange`,
      options,
    );
  }
  return new ChannelError(`The broker closed the channel: ${words}`, options);
}

/** What the broker calls an exchange or queue; `undefined` if its words do not tell it for sure. */
function nameOf(what: "exchange" | "queue", words: string): string | undefined {
  const name = new RegExp(`${what} '([\\s\\S]*)' in vhost '`).exec(words)?.[1];
  return name?.includes("' in vhost '") || name?.includes(`${what} '`) ? undefined : name;
}
