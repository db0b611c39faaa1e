/** What the benchmark needs of a client, so that each can take the place of another. */

/** What every contestant is told. */
export interface Target {
  readonly url: string;
  readonly queue: string;
}

/** How messages are to be sent: each persistent, mandatory, with a message id, and confirmed. */
export interface SendOptions extends Target {
  /** The body of every message; its first 8 bytes differ where messages are sent one by one. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** How many messages may be unconfirmed; with 1 the next is sent when the last is confirmed. */
  readonly window: number;
}

/** Sends messages. */
export interface Sender {
  /** Sends the body so many times. Resolves when the last is confirmed, rejects if one is not. */
  publish(count: number): Promise<void>;
  /** Sends one body, of the length of that in the options. Resolves when it is confirmed. */
  send(body: Uint8Array<ArrayBuffer>): Promise<void>;
  close(): Promise<void>;
}

/** How messages are to be received. */
export interface ReceiveOptions extends Target {
  readonly prefetch: number;
  /** How many consumers, each with a channel of its own on one connection. */
  readonly consumers: number;
  /**
   * Told of each message before it is acknowledged: how many bytes its body has, and the body or
   * the first part of it.
   */
  readonly received: (bytes: number, head: Uint8Array) => void;
}

/** How messages are to be passed on: received, published to another queue, and then acknowledged. */
export interface PipelineOptions extends Target {
  readonly to: string;
  readonly prefetch: number;
  /** The body that all messages have, for who cannot pass on what it received. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** Told of each message that is confirmed and acknowledged. */
  readonly passed: () => void;
}

/** Something that goes on until it is closed, with all acknowledgements made. */
export interface Running {
  close(): Promise<void>;
}

/**
 * A client. What sends and what receives have a connection each, as the broker holds back those that
 * publish too fast.
 */
export interface Contestant {
  sender(options: SendOptions): Promise<Sender>;
  receiver(options: ReceiveOptions): Promise<Running>;
  pipeline(options: PipelineOptions): Promise<Running>;
}

/** The contestants, and the files with what makes each of them one. */
const FILES: Readonly<Record<string, string>> = {
  "lapinmq": "./contestants/lapinmq.ts",
  "amqplib": "./contestants/amqplib.ts",
  "rabbitmq-client": "./contestants/rabbitmq_client.ts",
  "@cloudamqp/amqp-client": "./contestants/cloudamqp_amqp_client.ts",
  "amqp-connection-manager": "./contestants/amqp_connection_manager.ts",
  "limit": "./contestants/limit.ts",
};

/** lapinmq from another folder, to set a change against what was before. */
export const BASELINE = "lapinmq before";

/** The names by which a contestant may be asked for. */
export const CONTESTANTS: readonly string[] = Object.keys(FILES);

/** What a user might pick instead of lapinmq. */
export const PEERS: readonly string[] = CONTESTANTS.filter((name) =>
  name !== "lapinmq" && name !== "limit"
);

/** The file of a contestant. */
export function fileOf(name: string): URL {
  return new URL(FILES[name === BASELINE ? "lapinmq" : name], import.meta.url);
}

/** Loads a contestant by its name; the others are not even downloaded. */
export async function loadContestant(name: string): Promise<Contestant> {
  const { contestant } = await import(fileOf(name).href);
  return contestant;
}
