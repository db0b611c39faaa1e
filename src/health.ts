import type { ChannelSession, SessionChannel } from "./channel_session.ts";
import type { Link } from "./link.ts";

/** One verdict on a connection, publisher or consumer. */
export interface Health {
  /**
   * `up`: works; `recovering`: tries to come back by itself; `blocked`: connected, but the broker
   * accepts no messages for now; `down`: stopped, or not working and not about to.
   */
  readonly status: "up" | "recovering" | "blocked" | "down";
  /** Why it is not `up`. */
  readonly reason?: string;
  /** Since when it is as it is. */
  readonly since: Date;
}

/** The verdict on one link. */
export function linkHealth(link: Link): Health {
  const state = link.state;
  switch (state.kind) {
    case "open":
      return state.blocked === undefined ? { status: "up", since: state.since } : {
        status: "blocked",
        reason: `blocked by the broker: ${state.blocked.reason}`,
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
        : { status: "up", since: state.since };
    case "opening":
      return {
        status: "recovering",
        reason: session.obstacle?.message ?? ofLink.reason ?? "opening its channel",
        since: state.since,
      };
    case "stopped":
      return { status: "down", reason: "stopped", since: state.since };
  }
}
