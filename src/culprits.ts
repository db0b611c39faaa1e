import { ChannelError } from "./errors.ts";
import type { Send } from "./confirm_window.ts";

/**
 * Which of the unconfirmed sends made the broker close the channel. Empty where that cannot be told;
 * then they have to be sent one at a time until the culprit shows.
 *
 * @param cause Why the broker closed the channel.
 * @param inFlight The sends that had been written and not confirmed.
 * @param open All sends whose outcome is open, those included.
 */
export function findCulprits<S extends Send>(
  cause: Error,
  inFlight: readonly S[],
  open: Iterable<S>,
): S[] {
  if (!(cause instanceof ChannelError)) return [];
  if (cause.exchange !== undefined) {
    const toExchange = [...open].filter((send) => send.message.exchange === cause.exchange);
    // A user may be allowed some routing keys of a topic exchange and not others.
    const topic = /access to topic '(.*)' in exchange '/.exec(cause.message)?.[1];
    if (topic === undefined) return toExchange;
    return toExchange.filter((send) => send.message.routingKey === topic);
  }
  const limit = /message size \d+ is larger than \D*(\d+)/.exec(cause.message)?.[1];
  if (limit !== undefined) {
    const tooLarge = [...open].filter((send) => send.message.body.length > Number(limit));
    if (tooLarge.length > 0) return tooLarge;
  }
  // A code of 5xx is a fault of the broker's, or of the protocol: no message can help it.
  if ((cause.replyCode ?? 0) >= 500) return [];
  return inFlight.length === 1 ? [...inFlight] : [];
}
