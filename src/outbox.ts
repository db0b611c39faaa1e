import type { DriverChannel, DriverConnection } from "./amqp/driver.ts";
import type { Activity } from "./activity.ts";
import type { BackoffOptions } from "./backoff.ts";
import { dropSpares, giveBack, isWorthKeeping } from "./body_store.ts";
import { ChannelSession, LEAST_CLOSE_MS } from "./channel_session.ts";
import { ConfirmWindow, type Send } from "./confirm_window.ts";
import { findCulprits, mayBreakConnection } from "./culprits.ts";
import { ChannelError, ConfigurationError, LapinmqError } from "./errors.ts";
import { Deadline } from "./deadline.ts";
import { Expiry } from "./expiry.ts";
import { FlushCounter } from "./flush_counter.ts";
import { type Health, sessionHealth } from "./health.ts";
import type { Link } from "./link.ts";
import { OpenSend } from "./open_send.ts";
import {
  ConfirmTimeoutError,
  ConnectionLostError,
  describeTarget,
  NackedError,
  PublisherOverflowError,
  type PublishError,
  PublisherStoppedError,
  SendAbortedError,
  UnroutableError,
} from "./publish_errors.ts";
import type { PublisherStopResult } from "./publisher_results.ts";
import type { ResolvedPublisherOptions } from "./publisher_options.ts";
import type { PreparedMessage, SendCallbacks } from "./send_options.ts";
import { Room } from "./room.ts";
import {
  bodyToHandOut,
  brokeConnection,
  refused,
  stoppedFirst,
  target,
  toUnsent,
} from "./send_failures.ts";
import { Unnested } from "./unnested.ts";
import { type SendWatcher, watchSend } from "./watch_send.ts";

/** What an outbox needs of the publisher it works for. */
export interface OutboxHost {
  /** Runs a callback of the program, isolated. */
  run(what: string, code: () => unknown): void;
  channelLost(cause: Error, unconfirmed: number): void;
  /** There has been no channel for `giveUpAfterMs`. */
  gaveUp?(cause: Error): void;
}

/**
 * What a publisher does between a send and its outcome: writes messages within the window of
 * unconfirmed ones, matches confirms and returns, sends again after a channel was lost, and sees to
 * it that each send is settled once, before its deadline.
 */
export class Outbox {
  #link: Link;
  #options: ResolvedPublisherOptions;
  #host: OutboxHost;
  #session: ChannelSession<DriverChannel>;
  #window = new ConfirmWindow<OpenSend>();
  #counter = new FlushCounter();
  #lastSequence = 0;
  /** Up to this send, messages go one at a time until it shows which one the broker refuses. */
  #probeUntil = 0;
  #expiry = new Expiry<OpenSend>(() => this.#window.firstToExpire, (send) => this.#expire(send));
  #room = new Room(() => this.#hasRoom());
  #unobserve: () => void = () => {};
  /** Gives the channel up, so that a fresh one takes its place. */
  #drop: (cause: Error) => void = () => {};
  #refusals = new Unnested();
  #watcher: SendWatcher = {
    expire: (send) => this.#expire(send),
    abort: (send) => this.#withdraw(send),
  };

  constructor(
    link: Link,
    backoff: BackoffOptions,
    options: ResolvedPublisherOptions,
    host: OutboxHost,
  ) {
    this.#link = link;
    this.#options = options;
    this.#host = host;
    this.#session = new ChannelSession(link, backoff, {
      open: (connection, closed, life) => this.#open(connection, closed, life),
      opened: () => this.#pump(),
      lost: (_channel, cause) => this.#lost(cause),
      failed: (cause) => this.#host.channelLost(cause, this.#window.size),
      giveUpAfterMs: options.giveUpAfterMs,
      gaveUp: (cause) => this.#host.gaveUp?.(cause),
    });
  }

  async start(timeoutMs: number): Promise<void> {
    this.#counter.restart();
    this.#unobserve = this.#link.observe({ unblocked: () => this.#pump() });
    try {
      await this.#session.start(timeoutMs, "publisher");
    } catch (error) {
      this.#unobserve();
      throw error;
    }
  }

  /** Takes a message in. `refusal` says why it cannot, if the publisher is not running. */
  send(
    message: PreparedMessage,
    callbacks: SendCallbacks,
    refusal: string | undefined,
  ): Promise<void> {
    const deadline = performance.now() + this.#timeoutOf(message);
    const send = new OpenSend(message, callbacks, ++this.#lastSequence, deadline);
    const error = this.#whyRefused(send, refusal);
    this.#counter.sent(send.sequence);
    if (error === undefined) {
      this.#window.add(send);
      this.#expiry.watch();
      watchSend(send, this.#watcher);
      this.#pump();
    } else {
      send.settled = true;
      this.#refusals.run(() => this.#refuseAtOnce(send, error));
    }
    return send.promise;
  }

  /** The answer to a send whose arguments are wrong. */
  refuse(error: ConfigurationError, callbacks: SendCallbacks): Promise<void> {
    const rejected = Promise.reject(error);
    const { nackCallback } = callbacks;
    if (nackCallback !== undefined) {
      rejected.catch(() => {}); // The callback takes it.
      this.#refusals.run(() => this.#host.run("the nackCallback", () => nackCallback(error)));
    }
    return rejected;
  }

  /** Resolved while there is room for another message. */
  get ready(): Promise<void> {
    return this.#room.ready;
  }

  flush(): Promise<{ confirmed: number; failed: number }> {
    return this.#counter.flush();
  }

  /**
   * Waits for what is open, up to the deadline, then gives it up and closes the channel.
   *
   * @param cause Why, if nobody asked for it: then nobody is handed what was given up, and its
   * promises reject as any other.
   */
  async stop(timeoutMs: number, cause?: Error): Promise<PublisherStopResult> {
    const deadline = new Deadline(timeoutMs);
    if (this.#window.size > 0) await deadline.wait(this.#counter.flush());
    const abandoned = this.abandon("the publisher was stopped", cause === undefined, cause);
    this.#unobserve();
    await this.#session.stop(deadline.left(LEAST_CLOSE_MS));
    this.#window.clear();
    dropSpares();
    return {
      unsent: abandoned.filter((send) => !send.written).map(toUnsent),
      unknown: abandoned.filter((send) => send.written).map(toUnsent),
    };
  }

  /**
   * Rejects whatever is open.
   *
   * @param reason Why, for the error message.
   * @param handled Whether the promises count as handled, as the sends are returned instead.
   * @param cause The error behind the reason.
   */
  abandon(reason: string, handled: boolean, cause?: Error): Send[] {
    const abandoned = [...this.#window.open];
    // Before the sends make room: there is none to be had any more.
    this.#room.close(
      new LapinmqError("The publisher was stopped: start() it again before sending", {
        code: "PUBLISHER_STOPPED",
        cause,
      }),
    );
    for (const send of abandoned) {
      send.handled ||= handled;
      this.#settle(send, stoppedFirst(send, reason, cause));
    }
    this.#expiry.stop();
    return abandoned;
  }

  /** If nothing waits for its outcome, it does not matter whether there is a channel. */
  activity(): Activity {
    return { quiet: this.#window.size === 0, source: this.#counter, count: this.#lastSequence };
  }

  health(): Health {
    return sessionHealth(this.#session, this.#link, true);
  }

  #whyRefused(send: OpenSend, refusal: string | undefined): PublishError | undefined {
    if (refusal !== undefined) {
      return new PublisherStoppedError(
        `Cannot send message ${send.messageId} to ${describeTarget(target(send))}: ${refusal}`,
        target(send),
      );
    }
    const { signal } = send.message;
    if (signal?.aborted) return new SendAbortedError(target(send), signal.reason);
    const { maxBufferedMessages, maxBufferedBytes } = this.#options;
    if (this.#window.size >= maxBufferedMessages) {
      return new PublisherOverflowError(
        target(send),
        `maxBufferedMessages (${maxBufferedMessages})`,
      );
    }
    if (this.#window.size > 0 && this.#window.bytes + send.bytes > maxBufferedBytes) {
      return new PublisherOverflowError(target(send), `maxBufferedBytes (${maxBufferedBytes})`);
    }
    return undefined;
  }

  async #open(
    connection: DriverConnection,
    closed: (cause: Error) => void,
    life: AbortSignal,
  ): Promise<DriverChannel> {
    let isOpen = true;
    const end = (cause: Error) => {
      isOpen = false;
      closed(cause);
    };
    const channel = await connection.openChannel({
      confirm: (tag, multiple, ok) => isOpen && this.#confirm(tag, multiple, ok),
      returned: (message) => isOpen && this.#window.markReturned(message),
      delivery: () => {},
      cancelled: () => {},
      closed: end,
    }, { confirms: true });
    // After a stop and a start another may be in use by now, and that is the one to be dropped.
    if (life.aborted) return channel;
    this.#drop = (cause) => {
      void channel.close().catch(() => {}); // Whatever it answers, it is not used again.
      end(cause);
    };
    return channel;
  }

  /** Writes what waits, as far as the window and the broker allow. */
  #pump(): void {
    const { channel } = this.#session;
    if (channel === undefined || this.#link.blocked !== undefined) return;
    while (this.#mayWrite()) {
      const send = this.#window.next();
      if (send === undefined) return;
      try {
        channel.publish(send.message);
        this.#window.written();
      } catch (error) {
        // A channel that is just closing takes nothing: the send waits for the next one.
        if (!(error instanceof ConfigurationError)) return;
        this.#settle(send, refused(send, error));
      }
    }
  }

  /** Whether the window has room. What was given up takes its place until the broker has read it. */
  #mayWrite(): boolean {
    const { inFlight, inFlightBytes } = this.#window;
    return inFlight < this.#limit() && inFlightBytes < this.#options.maxBufferedBytes;
  }

  #limit(): number {
    if (this.#probeUntil === 0) return this.#options.maxInFlight;
    const { oldest } = this.#window;
    if (oldest === undefined || oldest.sequence > this.#probeUntil) this.#probeUntil = 0;
    return this.#probeUntil === 0 ? this.#options.maxInFlight : 1;
  }

  #confirm(tag: number, multiple: boolean, ok: boolean): void {
    for (const send of this.#window.confirm(tag, multiple)) {
      if (send.returned !== undefined) {
        this.#settle(send, new UnroutableError(target(send), send.returned, send.rewritten));
      } else if (ok) {
        if (this.#settle(send)) this.#recycle(send);
      } else {
        this.#settle(send, new NackedError(target(send), send.rewritten));
      }
    }
    this.#pump();
  }

  /** Gives the memory of a confirmed body back, if nothing reads from it any more. */
  #recycle({ rewritten, message: { body } }: OpenSend): void {
    // Of an earlier channel nobody knows whether its socket still reads.
    if (rewritten || !isWorthKeeping(body)) return;
    if (this.#session.channel?.isLent(body) === false) giveBack(body);
  }

  /** The channel is gone. Returns whether a culprit was found, so that the next may open at once. */
  #lost(cause: Error): boolean {
    const inFlight = this.#window.unconfirmed;
    const recalled = this.#window.recall();
    this.#host.channelLost(cause, recalled.length);
    const isRefusal = cause instanceof ChannelError;
    if (!isRefusal && this.#options.onConnectionLoss === "reject") {
      for (const send of recalled) {
        this.#settle(send, new ConnectionLostError(target(send), cause));
      }
      return false;
    }
    const culprits = findCulprits(cause, inFlight, this.#window.open);
    this.#refuse(culprits, inFlight, cause);
    const isInDoubt = isRefusal || mayBreakConnection(cause, inFlight);
    if (isInDoubt && culprits.length === 0 && recalled.length > 0) {
      this.#probeUntil = recalled[recalled.length - 1].sequence;
    }
    return culprits.length > 0;
  }

  /** Rejects those for which the broker closed the channel, or the connection. */
  #refuse(culprits: OpenSend[], inFlight: OpenSend[], cause: Error): void {
    // The broker closed it at one of them. Those before it may have been taken over, as the exchange
    // may have been there for them; the last one never was, unless on an earlier channel.
    const guilty = new Set(culprits);
    const last = inFlight.findLast((send) => guilty.has(send));
    for (const send of culprits) {
      if (!(cause instanceof ChannelError)) {
        this.#settle(send, brokeConnection(send, cause));
        continue;
      }
      const mayHaveArrived = send === last ? send.rewritten : send.written;
      this.#settle(send, refused(send, cause, mayHaveArrived));
    }
  }

  /** Returns whether this was its outcome: a callback may have brought it another meanwhile. */
  #settle(send: OpenSend, error?: PublishError): boolean {
    if (!this.#window.settle(send)) return false;
    this.#conclude(send, error);
    this.#room.update();
    return true;
  }

  /** Tells the program the outcome of a send, once. */
  #conclude(send: OpenSend, error: PublishError | undefined): void {
    send.unwatch?.();
    const { ackCallback } = send.callbacks;
    if (error === undefined) {
      if (ackCallback !== undefined) this.#host.run("the ackCallback", ackCallback);
      send.resolve();
      this.#counter.settled(send.sequence, true);
    } else {
      this.#tellFailure(send, error);
      // Who waits for all outcomes is to hear of them after those who wait for one.
      void send.fail(error).then(() => this.#counter.settled(send.sequence, false));
    }
  }

  /** Tells the program that a send was refused, within its call. */
  #refuseAtOnce(send: OpenSend, error: PublishError): void {
    this.#tellFailure(send, error);
    send.refuse(error);
    this.#counter.settled(send.sequence, false);
  }

  #tellFailure(send: OpenSend, error: PublishError): void {
    const { nackCallback } = send.callbacks;
    const { onSendFailure } = this.#options;
    if (nackCallback === undefined && onSendFailure === undefined) return;
    send.handled = true; // The callback takes it.
    if (nackCallback !== undefined) {
      this.#host.run("the nackCallback", () => nackCallback(error));
    } else {
      const failed = { ...target(send), body: bodyToHandOut(send) };
      this.#host.run("onSendFailure", () => onSendFailure!(error, failed));
    }
  }

  #hasRoom(): boolean {
    // Half of the bytes stay free, so that one who waits for room may send a large message then.
    return this.#window.size < this.#options.maxInFlight &&
      this.#window.bytes <= this.#options.maxBufferedBytes / 2;
  }

  #expire(send: OpenSend): void {
    const { reason, cause } = this.#whyUnconfirmed();
    const timeoutMs = this.#timeoutOf(send.message);
    const { written } = send;
    this.#settle(send, new ConfirmTimeoutError(target(send), timeoutMs, written, reason, cause));
    this.#dropIfStuck();
  }

  /** Its signal aborted. What is written cannot be called back: that goes on. */
  #withdraw(send: OpenSend): void {
    if (send.written) return;
    this.#settle(send, new SendAbortedError(target(send), send.message.signal?.reason));
  }

  /** How long the confirm of a message is waited for. */
  #timeoutOf({ sendTimeoutMs }: PreparedMessage): number {
    return sendTimeoutMs ?? this.#options.sendTimeoutMs;
  }

  /** If confirms that are overdue fill the window, nothing could ever be written again. */
  #dropIfStuck(): void {
    if (this.#session.channel === undefined || this.#link.blocked !== undefined) return;
    if (this.#mayWrite() || !this.#window.isOverdue) return;
    // That a send wanted to wait for less says nothing about the broker.
    const { oldestInFlight } = this.#window;
    const own = oldestInFlight?.message.sendTimeoutMs ?? this.#options.sendTimeoutMs;
    const spared = this.#options.sendTimeoutMs - own;
    if (oldestInFlight !== undefined && performance.now() < oldestInFlight.deadline + spared) {
      return;
    }
    this.#drop(
      new ChannelError(
        `The broker has confirmed none of the ${this.#window.inFlight} messages in flight in time`,
        { code: "CONFIRMS_OVERDUE" },
      ),
    );
  }

  #whyUnconfirmed(): { reason: string; cause?: Error } {
    const { blocked } = this.#link;
    if (blocked !== undefined) return { reason: `blocked by the broker: ${blocked.reason}` };
    const { state } = this.#session;
    if (state.kind !== "opening") return { reason: "the broker did not confirm it" };
    const cause = this.#session.obstacle;
    return {
      reason: `disconnected since ${state.since.toISOString()}` +
        (cause === undefined ? "" : ` (${cause.message})`),
      cause,
    };
  }
}
