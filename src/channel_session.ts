import { delay } from "@std/async/delay";
import type { DriverConnection } from "./amqp/driver.ts";
import { isPermanent } from "./amqp/translate_errors.ts";
import { within } from "./amqp/within.ts";
import { backoffDelay, type BackoffOptions, STABLE_MS } from "./backoff.ts";
import { ChannelError, ConnectionError } from "./errors.ts";
import type { Link } from "./link.ts";

/** A channel with all its set-up: what a session opens again and again. */
export interface SessionChannel {
  /** Closes the channel after everything that was written on it. */
  close(): Promise<void>;
}

/** What a session does for its owner, and tells it. */
export interface SessionOwner<C extends SessionChannel> {
  /**
   * Opens a channel and sets it up. Whatever it fails with decides whether to try again.
   *
   * @param closed To be called once when the channel is gone.
   * @param life Aborted when the session was stopped: nobody waits for the channel any more, and
   * another may be open already.
   */
  open(
    connection: DriverConnection,
    closed: (cause: Error) => void,
    life: AbortSignal,
  ): Promise<C>;
  /** The channel is set up. */
  opened(channel: C): void;
  /** The channel is gone. Returns whether to open the next at once, as something was fixed. */
  lost(channel: C, cause: Error): boolean;
  /** A set-up failed after the start; the next attempt follows. */
  failed(cause: Error): void;
  /** How long to go on without a channel, in milliseconds; `undefined` is for ever. */
  readonly giveUpAfterMs?: number;
  /** That time is over: the session is to be stopped. */
  gaveUp?(cause: Error): void;
}

/** How long closing a channel may take. */
const CLOSE_TIMEOUT_MS = 5_000;

/** The least time for that, when the deadline of a stop is used up. */
export const LEAST_CLOSE_MS = 100;

/** Where a session stands. Replaced whole at every change. */
export type SessionState<C extends SessionChannel> =
  | { readonly kind: "stopped"; readonly since: Date }
  | { readonly kind: "opening"; readonly since: Date; readonly cause?: Error }
  | { readonly kind: "open"; readonly since: Date; readonly channel: C };

/**
 * A channel that comes back: whenever it is lost, for whatever reason, a fresh one is opened and
 * set up. Each is an object of its own, so that nothing meant for one can reach its successor.
 */
export class ChannelSession<C extends SessionChannel> {
  #link: Link;
  #owner: SessionOwner<C>;
  #backoff: BackoffOptions;
  #patience: ReturnType<typeof setTimeout> | undefined;
  #state: SessionState<C> = { kind: "stopped", since: new Date() };
  #life = new AbortController();
  #lost: PromiseWithResolvers<Error> | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(link: Link, backoff: BackoffOptions, owner: SessionOwner<C>) {
    this.#link = link;
    this.#backoff = backoff;
    this.#owner = owner;
  }

  get state(): SessionState<C> {
    return this.#state;
  }

  /** The channel, while it is open. */
  get channel(): C | undefined {
    return this.#state.kind === "open" ? this.#state.channel : undefined;
  }

  /** What keeps the channel from opening, be it of its own or of the link: the latest to go wrong. */
  get obstacle(): Error | undefined {
    if (this.#state.kind !== "opening") return undefined;
    const { state, blocked } = this.#link;
    if (blocked !== undefined) {
      return new ConnectionError(
        `The connection is blocked by the broker, which accepts no messages for now: ` +
          `${blocked.reason}: free some of it, or raise its limit`,
        { code: "BLOCKED" },
      );
    }
    return (state.kind === "connecting" ? state.cause : undefined) ?? this.#state.cause;
  }

  /**
   * Opens the channel for the first time. What may pass is tried again until the time is over; what
   * will not rejects at once. After a rejection the session is stopped.
   */
  async start(timeoutMs: number, what: string): Promise<void> {
    this.#life = new AbortController();
    this.#state = { kind: "opening", since: new Date() };
    this.#link.retain();
    const first = Promise.withResolvers<void>();
    const timer = setTimeout(() => first.reject(this.#startTimeout(timeoutMs, what)), timeoutMs);
    this.#running = this.#run(this.#life.signal, first);
    try {
      await first.promise;
    } catch (error) {
      await this.stop(0); // A set-up that hangs ends by its own deadline, later than this one's.
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Closes the channel after all that was written on it, and opens no other. */
  async stop(timeoutMs = CLOSE_TIMEOUT_MS): Promise<void> {
    if (this.#state.kind === "stopped") return;
    const { channel } = this;
    this.#state = { kind: "stopped", since: new Date() };
    this.#endPatience();
    const closed = new ConnectionError("The channel was closed by the program");
    this.#life.abort(closed);
    this.#lost?.resolve(closed);
    try {
      await within(Promise.all([channel?.close(), this.#running]), timeoutMs, "close the channel");
    } catch {
      // Gone already, or frozen: the broker returns to the queue what was not acknowledged.
    }
    this.#link.release();
  }

  async #run(life: AbortSignal, first: PromiseWithResolvers<void>): Promise<void> {
    let started = false;
    // Whether this channel may have been the one too many, for which the broker closed the connection.
    let isSuspect = false;
    life.addEventListener("abort", () => first.reject(life.reason), { once: true });
    for (let attempt = 1; !life.aborted; attempt++) {
      let cause: Error;
      let atOnce = false;
      let slowly = false;
      try {
        const connection = await this.#link.whenOpen(life, !started);
        if (life.aborted) return;
        if (this.#link.blocked !== undefined) {
          // The broker would not even read that a channel is to be opened.
          await this.#link.whenUnblocked(life);
          attempt--;
          continue;
        }
        const lost = Promise.withResolvers<Error>();
        this.#lost = lost;
        const open = (on: DriverConnection) => this.#owner.open(on, lost.resolve, life);
        const channel = isSuspect
          ? await this.#link.cautiously(life, open)
          : await open(connection);
        isSuspect = false;
        if (life.aborted) return await closeQuietly(channel);
        const openedAt = performance.now();
        this.#state = { kind: "open", since: new Date(), channel };
        this.#endPatience();
        this.#owner.opened(channel);
        started = true;
        first.resolve();
        cause = await lost.promise;
        if (life.aborted) return;
        if (performance.now() - openedAt > STABLE_MS) attempt = 1;
        this.#state = { kind: "opening", since: new Date(), cause };
        atOnce = this.#owner.lost(channel, cause);
      } catch (error) {
        if (life.aborted) return;
        cause = error as Error;
        const knewBefore = isSuspect;
        isSuspect ||= costEverybody(cause); // Until it has opened, whatever else goes wrong.
        if (!started && isPermanent(cause) && (!isSuspect || knewBefore)) {
          return first.reject(cause);
        }
        this.#state = { kind: "opening", since: this.#state.since, cause };
        slowly = started && isPermanent(cause);
        if (started) this.#owner.failed(cause);
      }
      if (started) this.#losePatience();
      // A lost connection has its own backoff, in the link.
      if (atOnce || this.#link.state.kind !== "open") continue;
      const delayMs = slowly ? this.#backoff.maxDelayMs : backoffDelay(attempt, this.#backoff);
      await delay(delayMs, { signal: life }).catch(() => {});
    }
  }

  /** Begins to count the time without a channel, if it is not counted yet. */
  #losePatience(): void {
    const { giveUpAfterMs } = this.#owner;
    if (giveUpAfterMs === undefined) return;
    this.#patience ??= setTimeout(() => {
      if (this.#state.kind !== "opening") return;
      const cause = this.obstacle;
      this.#owner.gaveUp?.(
        new ConnectionError(
          `Gave up after ${giveUpAfterMs} ms ("giveUpAfterMs") without a channel to the ` +
            `broker: ${cause?.message ?? "it does not answer"}`,
          { code: "GAVE_UP", cause },
        ),
      );
    }, giveUpAfterMs);
  }

  #endPatience(): void {
    clearTimeout(this.#patience);
    this.#patience = undefined;
  }

  #startTimeout(timeoutMs: number, what: string): ConnectionError {
    const cause = this.obstacle;
    return new ConnectionError(
      `Cannot start the ${what} within ${timeoutMs} ms ("startTimeoutMs"): ` +
        (cause?.message ?? "the broker does not answer: start it, or wait longer"),
      { code: "START_TIMEOUT", cause },
    );
  }
}

/** Whether the broker closed the whole connection as the user has too many channels. */
function costEverybody(cause: Error): boolean {
  return cause instanceof ChannelError && cause.code === "CHANNEL_LIMIT" &&
    cause.replyCode !== undefined;
}

async function closeQuietly(channel: SessionChannel): Promise<void> {
  try {
    await channel.close();
  } catch {
    // It is not needed any more, and may be gone already.
  }
}
