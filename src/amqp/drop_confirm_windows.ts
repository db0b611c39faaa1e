import type { Channel, ChannelModel } from "amqplib";

/** The parts of amqplib that are not in its types. */
interface Internals {
  freshChannel?(channel: Channel, ...rest: unknown[]): unknown;
}

/**
 * Takes from every channel to come its own window of confirms, which nobody asks: the confirm of a
 * tag that was never given makes that window as long as the tag is large, and amqplib walks through
 * it when the channel closes, for minutes in which the program does nothing else.
 */
export function dropConfirmWindows(model: ChannelModel): void {
  const connection = model.connection as unknown as Internals;
  const { freshChannel } = connection;
  if (typeof freshChannel !== "function") return;
  // A channel asks for its number before it writes anything, so no confirm can have come yet.
  connection.freshChannel = (channel, ...rest) => {
    const own = channel as unknown as { pushConfirmCallback?: unknown };
    if (typeof own.pushConfirmCallback === "function") {
      own.pushConfirmCallback = () => {};
      channel.removeAllListeners("ack");
      channel.removeAllListeners("nack");
    }
    return freshChannel.call(connection, channel, ...rest);
  };
}
