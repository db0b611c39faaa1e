/** The driver on top of `npm:amqplib`. Its sibling files and this one alone import that package. */

import { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";
import amqplib from "amqplib";
import type { Channel, ChannelModel, Options, SocketOptions } from "amqplib";
import type { Endpoint } from "../endpoints.ts";
import { ConnectionError } from "../errors.ts";
import { printable } from "../printable.ts";
import { platformName, unrefTimer } from "../runtime.ts";
import type { TlsOptions } from "../tls_options.ts";
import { VERSION } from "../version.ts";
import { AmqplibChannel } from "./amqplib_channel.ts";
import type {
  ChannelEvents,
  ConnectionEvents,
  ConnectTarget,
  Driver,
  DriverChannel,
  DriverConnection,
} from "./driver.ts";
import { dropConfirmWindows } from "./drop_confirm_windows.ts";
import { FastLane } from "./fast_lane.ts";
import { holdAfterOpenOk } from "./hold_after_open_ok.ts";
import { Intake } from "./intake.ts";
import { surviveUnreadableHeaders } from "./readable_headers.ts";
import { Secrets } from "./secrets.ts";
import { dialStream } from "./dial.ts";
import { clientCertificateError } from "./client_certificate.ts";
import type { OpenRefusal } from "./open_refusal.ts";
import { within } from "./within.ts";
import {
  channelError,
  connectError,
  connectionLost,
  userChannelLimit,
} from "./translate_errors.ts";

/** How long the socket may stay open after the broker was the one to close the connection. */
const LAST_WORDS_MS = 1_000;

const SLOW_PATH =
  `messages go through amqplib itself, and not past it: all works as promised, but costs several times ` +
  `the CPU time: the amqplib that was loaded is not the one that lapinmq knows: see that it is ` +
  `npm:amqplib@2.3.1, and that nothing changes it`;

/** Opens connections with `npm:amqplib`. */
export const amqplibDriver: Driver = {
  async connect(target, events, signal) {
    const { timeoutMs, dial } = target;
    const endpoint = dial === undefined
      ? target.endpoint
      : { ...target.endpoint, note: `through the function "dial"` };
    // The socket lives as long as this is not aborted. amqplib's own timeout counts idle time only,
    // and its connections are half-closed at best when their heartbeat fails.
    const socket = new AbortController();
    const giveUp = () => socket.abort(signal.reason);
    signal.addEventListener("abort", giveUp, { once: true });
    const timer = setTimeout(() => {
      socket.abort(
        new ConnectionError(
          `Cannot connect to the broker at ${endpoint.hostname}:${endpoint.port}: it did not ` +
            `answer within ${timeoutMs} ms: see whether it hangs, or raise "connectTimeoutMs"`,
          { code: "CONNECT_TIMEOUT" },
        ),
      );
    }, timeoutMs);
    const intake = new Intake();
    const secrets = secretsOf(endpoint);
    let refusal = (): OpenRefusal | undefined => undefined;
    try {
      signal.throwIfAborted();
      const dialled = dial && await dialStream(dial, endpoint, socket.signal);
      const opening = holdAfterOpenOk(
        () => amqplib.connect(connectOptions(target), socketOptions(target, intake, socket.signal)),
        dialled,
      );
      intake.socket = opening.socket;
      refusal = opening.refusal;
      const model = await opening.result; // Where it fails, nothing is let through any more.
      const connection = new AmqplibConnection(model, intake, socket, timeoutMs, secrets, events);
      opening.release();
      if (signal.aborted) {
        connection.destroy();
        throw signal.reason;
      }
      return connection;
    } catch (error) {
      const aborted = socket.signal.aborted ? socket.signal.reason : undefined;
      socket.abort();
      if (aborted !== undefined) throw connectError(aborted, endpoint);
      const masked = secrets.maskedIn(error);
      const said = refusal();
      const maskedRefusal = said && { ...said, replyText: secrets.masked(said.replyText) };
      throw await clientCertificateError(masked, endpoint) ??
        connectError(masked, endpoint, maskedRefusal);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
    }
  },
};

/** The password, unless it is shown anyhow as it is the same as something else. */
function secretsOf({ hostname, username, password, vhost }: Endpoint): Secrets {
  return new Secrets([hostname, username, vhost], password);
}

function connectOptions({ endpoint, heartbeatSeconds }: ConnectTarget): Options.Connect {
  return {
    protocol: endpoint.tls ? "amqps" : "amqp",
    hostname: endpoint.hostname,
    port: endpoint.port,
    username: endpoint.username,
    password: endpoint.password,
    vhost: encodeURIComponent(endpoint.vhost),
    heartbeat: heartbeatSeconds,
    ...(endpoint.channelMax === undefined ? {} : { channelMax: endpoint.channelMax }),
    ...(endpoint.frameMaxBytes === undefined ? {} : { frameMax: endpoint.frameMaxBytes }),
  };
}

/** Options of a socket that are not in amqplib's types; it hands on whatever it is given. */
interface NetOptions {
  readonly signal: AbortSignal;
  readonly onread?: Intake["onread"];
}

function socketOptions(
  { endpoint, connectionName, dial }: ConnectTarget,
  { onread }: Intake,
  signal: AbortSignal,
): SocketOptions {
  const options: SocketOptions & NetOptions = {
    noDelay: true,
    // Only a socket reads into memory that it is lent.
    ...(dial === undefined && Intake.isPossible() ? { onread } : {}),
    signal,
    clientProperties: {
      product: "lapinmq",
      version: VERSION,
      platform: platformName(),
      information: "https://jsr.io/@lapinmq/lapinmq",
      ...(connectionName === undefined ? {} : { connection_name: connectionName }),
    },
    ...tlsOptions(endpoint.tls),
    ...(endpoint.external ? { credentials: amqplib.credentials.external() } : {}),
  };
  return options;
}

function tlsOptions(tls: TlsOptions | undefined): SocketOptions {
  if (tls === undefined) return {};
  return {
    ...(tls.caCerts === undefined ? {} : { ca: [...tls.caCerts] }),
    ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert, key: tls.key }),
  };
}

/** The parts of amqplib's connection that are not in its types. Each may be missing. */
interface Internals {
  readonly stream?: Duplex & { ref?(): void; unref?(): void };
  readonly heartbeater?: { sendTimer?: Refable; recvTimer?: Refable } | null;
  readonly blocked?: boolean;
  /** What was agreed on, in seconds. */
  readonly heartbeat?: number;
  rest?: Uint8Array;
  recvFrame?(): { readonly fields?: object } | false;
}

interface Refable {
  ref?(): void;
  unref?(): void;
}

class AmqplibConnection implements DriverConnection {
  #model: ChannelModel;
  #socket: AbortController;
  #callTimeoutMs: number;
  #secrets: Secrets;
  #events: ConnectionEvents;
  #lane: FastLane | undefined;
  #closed = false;
  #isNoted = false;
  /** What amqplib said went wrong; it says so before it closes the channels. */
  #cause: Error | undefined;
  #closing: ReturnType<typeof setTimeout> | undefined;

  constructor(
    model: ChannelModel,
    intake: Intake,
    socket: AbortController,
    callTimeoutMs: number,
    secrets: Secrets,
    events: ConnectionEvents,
  ) {
    this.#model = model;
    this.#socket = socket;
    this.#callTimeoutMs = callTimeoutMs;
    this.#secrets = secrets;
    this.#events = events;
    dropConfirmWindows(model);
    // Without these two listeners amqplib throws while it closes, and its heartbeats never end.
    model.on("error", (error: Error) => {
      this.#cause = error;
      if (this.#closed) return;
      // It closes by itself where it receives what it does not understand, and then waits for the
      // broker's answer for as long as it takes.
      this.#closing ??= setTimeout(() => this.#end(error), callTimeoutMs);
      unrefTimer(this.#closing);
    });
    model.on("close", (error?: Error) => this.#end(error ?? this.#cause));
    model.on("blocked", (reason: string) => events.blocked(printable(secrets.masked(reason))));
    model.on("unblocked", () => events.unblocked());
    surviveUnreadableHeaders(this.#internals);
    const lane = this.#lane = FastLane.of(model.connection);
    if (lane !== undefined) intake.divert((bytes) => lane.read(bytes));
    else this.#noteSlowPath();
    if (this.#internals.blocked) events.blocked("the broker did not say why");
  }

  get heartbeatSeconds(): number {
    return this.#internals.heartbeat ?? 0;
  }

  get #internals(): Internals {
    return this.#model.connection as unknown as Internals;
  }

  async openChannel(events: ChannelEvents, options: { confirms: boolean }): Promise<DriverChannel> {
    let opening: Promise<Channel> | undefined;
    try {
      opening = options.confirms ? this.#model.createConfirmChannel() : this.#model.createChannel();
      const channel = await within(opening, this.#callTimeoutMs, "open a channel");
      // Lost in the moment in which the channel opened, before anybody could listen to it.
      if (this.#closed) throw connectionLost(this.#secrets.maskedIn(this.#cause));
      const opened = new AmqplibChannel(
        channel,
        events,
        this.#callTimeoutMs,
        () => this.#cause,
        this.#lane,
        options.confirms,
        this.#secrets,
      );
      if (this.#lane?.missedChannel) this.#noteSlowPath();
      return opened;
    } catch (error) {
      // Closed in the moment in which it opened, before anybody could listen to it.
      if (error instanceof amqplib.IllegalOperationError) this.#end(error);
      opening?.then(closeLate, () => {});
      throw userChannelLimit(this.#secrets.maskedIn(this.#cause)) ??
        channelError(this.#secrets.maskedIn(error));
    }
  }

  #noteSlowPath(): void {
    if (this.#isNoted) return;
    this.#isNoted = true;
    this.#events.noted?.(SLOW_PATH);
  }

  #end(cause: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#closing);
    const byBroker = typeof (cause as { code?: unknown } | undefined)?.code === "number";
    if (byBroker) this.#destroySoon();
    else this.#socket.abort();
    this.#events.closed(connectionLost(this.#secrets.maskedIn(cause)));
  }

  async close(timeoutMs: number): Promise<void> {
    if (this.#closed) return;
    try {
      await within(this.#model.close(), timeoutMs, "close the connection");
    } catch {
      // Frozen or already gone: there is nobody left to be polite to.
    }
    this.destroy();
  }

  async updateSecret(secret: string): Promise<void> {
    this.#secrets.add(secret);
    try {
      const update = this.#model.updateSecret(Buffer.from(secret), "the password was renewed");
      await within(update, this.#callTimeoutMs, "renew the password");
    } catch (error) {
      throw connectionLost(this.#secrets.maskedIn(error));
    }
  }

  /** Lets the answer to the broker's own close go out, and the broker hang up. */
  #destroySoon(): void {
    const timer = setTimeout(() => this.#socket.abort(), LAST_WORDS_MS);
    unrefTimer(timer);
    this.#internals.stream?.once("close", () => clearTimeout(timer));
  }

  destroy(): void {
    this.#socket.abort();
  }

  keepAlive(alive: boolean): boolean {
    const { stream, heartbeater } = this.#internals;
    const holders = [stream, heartbeater?.sendTimer, heartbeater?.recvTimer];
    const verb = alive ? "ref" : "unref";
    if (holders.some((holder) => typeof holder?.[verb] !== "function")) return false;
    for (const holder of holders) holder![verb]!();
    return true;
  }
}

/** Closes a channel that opened after it was given up. */
function closeLate(channel: Channel): void {
  channel.on("error", () => {}); // Without a listener it would take its whole connection with it.
  void channel.close().catch(() => {}); // It may be gone already.
}
