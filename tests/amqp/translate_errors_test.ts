import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  channelError,
  connectError,
  connectionLost,
  isPermanent,
} from "../../src/amqp/translate_errors.ts";
import {
  AccessRefusedError,
  AuthenticationError,
  ChannelError,
  ConnectionError,
  ExchangeNotFoundError,
  QueueNotFoundError,
} from "../../src/errors.ts";
import { assertNoSecret } from "../support/secrets.ts";

const endpoint = {
  hostname: "broker.example",
  port: 5672,
  username: "user",
  password: "s3cret-Passw0rd",
  vhost: "vhost",
  tls: undefined,
};

/** An error of amqplib, of a socket or of Deno. */
function foreign(message: string, extra: object = {}): Error {
  return Object.assign(new Error(message), extra);
}

Deno.test("connectError tells in plain words why there is no connection", () => {
  const cases: [Error, code: string, permanent: boolean, says: string][] = [
    [
      foreign(`Handshake terminated by server: 403 (ACCESS-REFUSED) with message "…"`),
      "AUTHENTICATION",
      true,
      `user name "user"`,
    ],
    [
      foreign("Expected ConnectionOpenOk; got <ConnectionClose channel:0>"),
      "VHOST",
      true,
      `virtual host "vhost"`,
    ],
    [
      foreign("Requires net access", { name: "NotCapable" }),
      "PERMISSION",
      true,
      "--allow-net=broker.example:5672",
    ],
    [foreign("connect refused", { code: "ECONNREFUSED" }), "CONNECTION", false, "nothing listens"],
    [foreign("not found", { code: "ENOTFOUND" }), "CONNECTION", false, `"broker.example"`],
    [
      foreign("invalid peer certificate: UnknownIssuer"),
      "CERTIFICATE",
      true,
      `"tls.caCerts"`,
    ],
    [foreign("received corrupt message of type InvalidContentType"), "NOT_TLS", true, "5671"],
    [foreign("Invalid frame"), "NOT_AMQP", true, "AMQP 0-9-1"],
    [
      foreign("Socket closed abruptly during opening handshake"),
      "CONNECTION",
      false,
      "may be booting",
    ],
    [foreign("something new"), "CONNECTION", false, "something new"],
  ];
  for (const [cause, code, permanent, says] of cases) {
    const error = connectError(cause, endpoint);
    assertEquals([error.code, isPermanent(error), error.cause], [code, permanent, cause]);
    assert(
      error.message.startsWith("Cannot connect to the broker at broker.example:5672: "),
      error.message,
    );
    assert(error.message.includes(says), error.message);
    assertNoSecret(endpoint.password, error);
  }
  assertInstanceOf(connectError(cases[0][0], endpoint), AuthenticationError);
});

Deno.test("connectError is not led astray by words in a host name", () => {
  const tls = { ...endpoint, hostname: "tls-certificate.example" };
  const cause = foreign("getaddrinfo ENOTFOUND tls-certificate.example", { code: "ENOTFOUND" });
  assert(connectError(cause, tls).message.includes("is not known"));
});

Deno.test("connectError and connectionLost keep what is told in the library's words already", () => {
  const error = new ConnectionError("told");
  assert(connectError(error, endpoint) === error && connectionLost(error) === error);
});

Deno.test("connectError and connectionLost make an error of whatever was thrown", () => {
  for (const thrown of [undefined, null, "text", 1, Symbol("s")]) {
    assertInstanceOf(connectError(thrown, endpoint), ConnectionError);
    assertInstanceOf(connectionLost(thrown), ConnectionError);
    assertInstanceOf(channelError(thrown), ConnectionError);
  }
});

Deno.test("connectionLost gives the broker's own words", () => {
  const cause = foreign(
    `Connection closed: 320 (CONNECTION-FORCED) with message "CONNECTION_FORCED - by operator"`,
  );
  assertEquals(
    connectionLost(cause).message,
    "The connection to the broker was lost: CONNECTION_FORCED - by operator",
  );
});

/** An error of amqplib for a channel that the broker closed. */
function closed(code: number, words: string): Error {
  return foreign(`Channel closed by server: ${code} (X) with message "${words}"`, { code });
}

Deno.test("channelError knows the answers of the broker by their codes", () => {
  const cases: [code: number, words: string, type: unknown, exchange?: string, queue?: string][] = [
    [404, "NOT_FOUND - no exchange 'color' in vhost '/'", ExchangeNotFoundError, "color"],
    [404, "NOT_FOUND - no exchange 'it's' in vhost 'other'", ExchangeNotFoundError, "it's"],
    [404, "NOT_FOUND - no queue 'work' in vhost '/'", QueueNotFoundError, undefined, "work"],
    [
      403,
      "ACCESS_REFUSED - access to exchange 'color' in vhost '/' refused for user 'guest'",
      AccessRefusedError,
      "color",
    ],
    [
      405,
      "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'work' in vhost '/'",
      AccessRefusedError,
      undefined,
      "work",
    ],
    [
      406,
      "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'work' in vhost '/'",
      ChannelError,
      undefined,
      "work",
    ],
  ];
  for (const [code, words, type, exchange, queue] of cases) {
    const error = channelError(closed(code, words));
    assert(error instanceof ChannelError && error.constructor === type, words);
    assertEquals([error.replyCode, error.exchange, error.queue], [code, exchange, queue]);
    assert(error.message.includes(words) && isPermanent(error), error.message);
  }
});

Deno.test("channelError takes what has no reply code for a lost connection", () => {
  assertInstanceOf(channelError(foreign("Channel ended, no reply")), ConnectionError);
  assertInstanceOf(
    channelError(foreign("read ECONNRESET", { code: "ECONNRESET" })),
    ConnectionError,
  );
});

Deno.test("isPermanent counts a fault of the broker's as one that may pass", () => {
  assertEquals(isPermanent(channelError(closed(541, "INTERNAL_ERROR"))), false);
  assertEquals(isPermanent(new ConnectionError("lost")), false);
  assertEquals(isPermanent(new Error("anything")), false);
  assertEquals(isPermanent(channelError(foreign("No channels left to allocate"))), true);
});

Deno.test("channelError prints no name raw, and gives it as it is to compare with", () => {
  const name = "q\u202e\u001b[2J";
  const error = channelError(closed(404, `NOT_FOUND - no queue '${name}' in vhost '/'`));
  assert(error instanceof QueueNotFoundError);
  assertEquals(error.queue, name);
  for (const text of [error.message, Deno.inspect(error.cause), `${error.stack}`]) {
    assert(!text.includes(name) && !text.includes("\u001b"), text);
  }
  assert(error.message.includes('queue "q\\u202e\\u001b[2J"'), error.message);
});

Deno.test("connectError and connectionLost print nothing raw of what a server says", () => {
  const cause = foreign(`closed: 320 (X) with message "a\u001b[2J\nERROR b"`);
  for (const error of [connectError(cause, endpoint), connectionLost(cause)]) {
    assert(error.message.includes("a\\u001b[2J\\nERROR b"), error.message);
    assert(!Deno.inspect(error).includes("\u001b"), Deno.inspect(error));
  }
});

Deno.test("channelError and isPermanent tell a queue that is down from one that is missing", () => {
  const name = `queue 'no queue 'x' in vhost '/'`;
  for (
    const words of [
      `home node 'rabbit@one' of durable ${name} is down or inaccessible`,
      `${name} process is stopped by supervisor`,
      `failed to perform operation on ${name} due to timeout`,
    ]
  ) {
    const error = channelError(closed(404, `NOT_FOUND - ${words}`));
    assertEquals([error.code, isPermanent(error)], ["QUEUE_DOWN", false]);
    assert(error.message.includes(words), error.message);
  }
  const missing = channelError(closed(404, "NOT_FOUND - no queue 'is down' in vhost '/'"));
  assertEquals([missing.code, isPermanent(missing)], ["QUEUE_NOT_FOUND", true]);
});

Deno.test("connectError goes by the reply code and text of the refusal, whatever the names hold", () => {
  const cause = foreign("Expected ConnectionOpenOk; got <ConnectionClose channel:0>");
  const odd = { ...endpoint, username: "u': connection limit (0) is reached", vhost: "v is down" };
  const access = `NOT_ALLOWED - access to vhost '${odd.vhost}' refused for user '${odd.username}'`;
  const cases: [replyCode: number, replyText: string, code: string, permanent: boolean][] = [
    [530, `NOT_ALLOWED - vhost ${odd.vhost} not found`, "VHOST", true],
    [530, access, "VHOST", true],
    [530, `${access}: connection limit (5) is reached`, "CONNECTION_LIMIT", false],
    [
      530,
      `NOT_ALLOWED - connection refused for user 'u': user connection limit (1) is reached`,
      "CONNECTION_LIMIT",
      false,
    ],
    [
      541,
      `INTERNAL_ERROR - access to vhost 'v' refused for user 'u': vhost 'v' is down`,
      "CONNECTION",
      false,
    ],
    [530, "NOT_ALLOWED - something new", "CONNECTION", false],
  ];
  for (const [replyCode, replyText, code, permanent] of cases) {
    const error = connectError(cause, odd, { replyCode, replyText });
    assertEquals([error.code, isPermanent(error)], [code as typeof error.code, permanent]);
    if (!permanent) assert(error.message.includes(replyText), error.message);
  }
  const long = { ...endpoint, vhost: "x".repeat(255) };
  const replyText = `NOT_ALLOWED - vhost ${long.vhost} not found`.slice(0, 252) + "...";
  assertEquals(connectError(cause, long, { replyCode: 530, replyText }).code, "VHOST");
});
