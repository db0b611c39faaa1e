import type { Send } from "./confirm_window.ts";
import { ChannelError, ConnectionError } from "./errors.ts";

/** What the broker calls the default exchange when it refuses access to it. */
const DEFAULT_EXCHANGE = "amq.default";
const INTERNAL_ERROR = 541;
/** The broker's words have at most 255 bytes, of which this many at least are not of the names. */
const LONG_NAME_BYTES = 150;

/**
 * Which of the unconfirmed sends made the broker close the channel. Empty if that cannot be told;
 * then they have to be sent one at a time until the culprit shows.
 *
 * @param cause Why the channel is gone.
 * @param inFlight What had been written on it and not confirmed, whether or not somebody still waits
 * for it: the culprit is among these.
 * @param open All sends whose outcome is open.
 */
export function findCulprits<S extends Send>(
  cause: Error,
  inFlight: readonly S[],
  open: Iterable<S>,
): S[] {
  const alone = inFlight.length === 1 ? inFlight[0] : undefined;
  if (!(cause instanceof ChannelError)) {
    return alone !== undefined && mayBreakConnection(cause, inFlight) ? [alone] : [];
  }
  if (cause.method !== undefined && cause.method !== "basic.publish") return [];
  // A code of 5xx is a fault of the broker's, or of the protocol: no message can help it.
  if ((cause.replyCode ?? 0) >= 500) return [];
  const spokenOf = whomItSpeaksOf(cause, alone === undefined ? inFlight : [alone]);
  if (spokenOf !== undefined) return [...open].filter(spokenOf);
  const limit = /message size \d+ is larger than \D*(\d+)/.exec(cause.message)?.[1];
  if (limit !== undefined) {
    const tooLarge = [...open].filter((send) => send.message.body.length > Number(limit));
    if (tooLarge.length > 0) return tooLarge;
  }
  return alone === undefined ? [] : [alone];
}

/**
 * Whether one of the sends may be why the broker closed the connection: RabbitMQ 4 does so with an
 * internal error if it has to cut a name within its words that is not all ASCII.
 */
export function mayBreakConnection(cause: Error, inFlight: readonly Send[]): boolean {
  if (!(cause instanceof ConnectionError) || cause.replyCode !== INTERNAL_ERROR) return false;
  return inFlight.some(({ message: { exchange, routingKey, properties } }) => {
    const names = exchange + routingKey + (properties.userId ?? "");
    const bytes = new TextEncoder().encode(names).length;
    return bytes !== names.length && bytes > LONG_NAME_BYTES;
  });
}

/**
 * Tells the sends that the broker's words speak of. The words are no data: a name in them may hold
 * any words itself, and may be cut. So each send is asked whether they could be about it; if they
 * could be about several destinations, nothing is known.
 */
function whomItSpeaksOf<S extends Send>(
  { replyText }: ChannelError,
  inFlight: readonly S[],
): ((send: S) => boolean) | undefined {
  const match = /^[A-Z_]+ - [a-z ]*(exchange|topic) '/.exec(replyText ?? "");
  if (match === null) return undefined;
  const byTopic = match[1] === "topic";
  const rest = replyText!.slice(match[0].length);
  const isCut = rest.endsWith("...");
  // If a character was cut through, its first bytes have become this one.
  const seen = isCut ? rest.slice(0, -3).replace(/\uFFFD+$/, "") : rest;
  const meant = new Map<string, S>();
  for (const send of inFlight) {
    const { exchange, routingKey } = send.message;
    const words = (byTopic ? `${routingKey}' in exchange '` : "") +
      `${exchange || DEFAULT_EXCHANGE}' in vhost '`;
    const isMeant = seen.startsWith(words) || isCut && words.startsWith(seen);
    if (isMeant) meant.set(byTopic ? JSON.stringify([exchange, routingKey]) : exchange, send);
  }
  if (meant.size !== 1) return undefined;
  const [{ message: { exchange, routingKey } }] = meant.values();
  return ({ message }) =>
    message.exchange === exchange && (!byTopic || message.routingKey === routingKey);
}
