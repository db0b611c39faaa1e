import type { ChannelSession, SessionChannel } from "./channel_session.ts";
import type { Link } from "./link.ts";

/** What keeps further messages from a consumer. */
export interface HeldUp {
  /** How many messages wait for their retry. */
  readonly retries: number;
  /** How many messages wait for a callback (`HANDLED_VIA_CALLBACK`). */
  readonly callbacks: number;
  /**
   * How many of these callbacks have not come within `callbackTimeoutMs`: the signals of their
   * messages are aborted, and after `taskGraceMs` the messages are retried.
   */
  readonly overdueCallbacks: number;
}

/** One verdict on a connection, publisher or consumer. */
export interface Health {
  /**
   * `up`: works; `recovering`: tries to come back by itself; `blocked`: connected, but the broker
   * accepts no messages for now; `down`: stopped, or not working and not about to.
   */
  readonly status: "up" | "recovering" | "blocked" | "down";
  /** Why it is not `up`. */
  readonly reason?: string;
  /**
   * What is worth knowing although it works, and what to do about it; missing if there is nothing.
   * For now: that messages go through amqplib itself, and not past it, which costs several times the
   * CPU time, as the amqplib that was loaded is not the one that this library knows.
   */
  readonly note?: string;
  /** Since when it is as it is. */
  readonly since: Date;
  /**
   * Of a consumer: set while messages that wait for their retry or for a callback hold all that the
   * broker hands out at a time, so that no further one comes; or while a callback is overdue. Room
   * is made for up to 1 000 messages that wait for their retry, beside `prefetch`; it is of no use
   * if the queue has a single active consumer. A consumer that is held up is `up` all the same.
   */
  readonly heldUp?: HeldUp;
}

/** The verdict on one link. */
export function linkHealth(link: Link): Health {
  const state = link.state;
  switch (state.kind) {
    case "open":
      return state.blocked === undefined ? { status: "up", ...noteOf(link), since: state.since } : {
        status: "blocked",
        reason: `blocked by the broker: ${state.blocked.reason}`,
        ...noteOf(link),
        since: state.blocked.since,
      };
    case "connecting":
      return {
        status: "recovering",
        reason: state.cause?.message ?? "connecting for the first time",
        since: state.since,
      };
    case "idle":
      return { status: "down", reason: "not connected: nobody uses it", since: state.since };
  }
}

function noteOf({ state }: Link): { readonly note?: string } {
  return state.kind === "open" && state.note !== undefined ? { note: state.note } : {};
}

/** The verdict on one publisher or consumer; only the former is held up by a blocked connection. */
export function sessionHealth<C extends SessionChannel>(
  session: ChannelSession<C>,
  link: Link,
  publishes: boolean,
): Health {
  const { state } = session;
  const ofLink = linkHealth(link);
  switch (state.kind) {
    case "open":
      return ofLink.status === "blocked" && publishes
        ? ofLink
        : { status: "up", ...noteOf(link), since: state.since };
    case "opening":
      if (ofLink.status === "blocked" && publishes) return ofLink;
      return {
        status: "recovering",
        reason: session.obstacle?.message ?? ofLink.reason ?? "opening its channel",
        since: state.since,
      };
    case "stopped":
      return { status: "down", reason: "stopped", since: state.since };
  }
}

/** The verdict on one that is starting: what holds it up, as far as that is known. */
export function startingHealth(ofSession: Health, since: Date): Health {
  return ofSession.status === "recovering" || ofSession.status === "blocked"
    ? { ...ofSession, since }
    : { status: "recovering", reason: "starting", since };
}
