import type { Connection } from "./connection.ts";
import { ConfigurationError } from "./errors.ts";
import type { PublishError } from "./publish_errors.ts";
import {
  integer,
  knownOptions,
  milliseconds,
  oneOf,
  optionalFunction,
  optionalMilliseconds,
  show,
} from "./validate.ts";

/** Names a message that failed, for `onSendFailure`. */
export interface FailedMessage {
  /** The exchange it was sent to. */
  readonly exchange: string;
  /** Its routing key. */
  readonly routingKey: string;
  /** Its id. */
  readonly messageId: string;
  /** Its body. */
  readonly body: Uint8Array;
}

/** Options of a `Publisher`. */
export interface PublisherOptions {
  /** The connection to use. Default: `Connection.default`. */
  connection?: Connection;
  /**
   * `"sync"`: one message in flight, the next is not written before it is confirmed. `"async"`: up
   * to `maxInFlight`.
   *
   * @default {"async"}
   */
  kind?: "sync" | "async";
  /**
   * How many messages may be written and not yet confirmed, 1 to 65 535; for `"async"` only.
   *
   * @default {1000}
   */
  maxInFlight?: number;
  /**
   * How many messages may wait for their outcome, 1 to 10 000 000; one more is refused.
   *
   * @default {100000}
   */
  maxBufferedMessages?: number;
  /**
   * How many bytes their bodies, their headers and the texts among their properties may have together,
   * 1 to 9 007 199 254 740 991; more are refused. A single message is taken whatever its size.
   *
   * @default {67108864}
   */
  maxBufferedBytes?: number;
  /**
   * How long the broker's confirm is waited for, in milliseconds from the call on, 1 to
   * 2 147 483 647.
   *
   * @default {60000}
   */
  sendTimeoutMs?: number;
  /**
   * What happens to unconfirmed messages when the connection is lost: `"resend"` sends them again,
   * in order, with the same `messageId`; `"reject"` rejects them.
   *
   * @default {"resend"}
   */
  onConnectionLoss?: "resend" | "reject";
  /**
   * How long to go on without a channel to the broker after the start, in milliseconds, 1 to
   * 2 147 483 647; then the publisher stops, what it has not sent rejects, and `closed` resolves with
   * the cause. For programs that are restarted when they end. Default: for ever.
   */
  giveUpAfterMs?: number;
  /**
   * Takes every failed send that has no `nackCallback`; its promise still rejects, but counts as
   * handled. A send whose arguments are wrong is a fault of the program, and rejects only.
   */
  onSendFailure?: (error: PublishError, message: FailedMessage) => unknown;
}

/** Validated options with all defaults filled in, the connection apart. */
export interface ResolvedPublisherOptions {
  readonly maxInFlight: number;
  readonly maxBufferedMessages: number;
  readonly maxBufferedBytes: number;
  readonly sendTimeoutMs: number;
  readonly onConnectionLoss: "resend" | "reject";
  readonly giveUpAfterMs: number | undefined;
  readonly onSendFailure: PublisherOptions["onSendFailure"];
}

/** Validates the options and fills in what is missing. */
export function resolvePublisherOptions(options: PublisherOptions): ResolvedPublisherOptions {
  knownOptions("publisher", options, [
    "connection",
    "kind",
    "maxInFlight",
    "maxBufferedMessages",
    "maxBufferedBytes",
    "sendTimeoutMs",
    "onConnectionLoss",
    "giveUpAfterMs",
    "onSendFailure",
  ]);
  const kind = oneOf("kind", options.kind, ["sync", "async"], "async");
  if (kind === "sync" && options.maxInFlight !== undefined && options.maxInFlight !== 1) {
    throw new ConfigurationError(
      `Cannot use option "maxInFlight": received ${
        show(options.maxInFlight)
      }: a publisher of kind ` +
        `"sync" has one message in flight: use kind "async"`,
    );
  }
  const inFlight = kind === "sync" ? 1 : 1000;
  return {
    maxInFlight: integer("maxInFlight", options.maxInFlight, { min: 1, max: 65_535 }, inFlight),
    maxBufferedMessages: integer(
      "maxBufferedMessages",
      options.maxBufferedMessages,
      { min: 1, max: 10_000_000 },
      100_000,
    ),
    maxBufferedBytes: integer(
      "maxBufferedBytes",
      options.maxBufferedBytes,
      { min: 1, max: Number.MAX_SAFE_INTEGER, unit: "bytes" },
      64 * 1024 * 1024,
    ),
    sendTimeoutMs: milliseconds("sendTimeoutMs", options.sendTimeoutMs, 1, 60_000),
    onConnectionLoss: oneOf(
      "onConnectionLoss",
      options.onConnectionLoss,
      ["resend", "reject"],
      "resend",
    ),
    giveUpAfterMs: optionalMilliseconds("giveUpAfterMs", options.giveUpAfterMs, 1),
    onSendFailure: optionalFunction("onSendFailure", options.onSendFailure),
  };
}
