/** What the programs of the soak need of a client, so that each can take the place of another. */

import type { Journal } from "./journal.ts";

/** A message on its way out. */
export interface Outgoing {
  readonly queue: string;
  readonly id: string;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** A message that came in. */
export interface Incoming {
  readonly queue: string;
  readonly id: string;
  readonly body: Uint8Array;
  readonly redelivered: boolean;
}

/** How a client is to connect. */
export interface ClientOptions {
  readonly urls: readonly string[];
  readonly heartbeatSeconds: number;
  /** For what the client tells of itself. */
  readonly journal: Journal;
}

/** How a client is to receive. */
export interface WorkerOptions extends ClientOptions {
  readonly queues: readonly string[];
  /** How many messages of each queue are worked on at a time. */
  readonly parallel: number;
  /** Works on a message. If it rejects, the message is to be delivered again after `retryDelayMs`. */
  readonly task: (message: Incoming) => Promise<void>;
  readonly retryDelayMs: number;
}

/** Sends messages, each persistent. */
export interface SoakPublisher {
  /** Resolves once the broker has confirmed the message. */
  send(message: Outgoing): Promise<void>;
  /** Ends it in good order, with what has been sent. */
  stop(): Promise<void>;
}

/** Receives messages until it is stopped. */
export interface SoakWorker {
  stop(): Promise<void>;
}

/** A client to test. */
export interface Client {
  publisher(options: ClientOptions): Promise<SoakPublisher>;
  worker(options: WorkerOptions): Promise<SoakWorker>;
}

/** The clients, and the files with what makes each of them one. */
const FILES: Readonly<Record<string, string>> = {
  "lapinmq": "./clients/lapinmq.ts",
  "rabbitmq-client": "./peers/rabbitmq_client.ts",
  "@cloudamqp/amqp-client": "./peers/cloudamqp_amqp_client.ts",
  "amqp-connection-manager": "./peers/amqp_connection_manager.ts",
};

/** The names by which a client may be asked for. */
export const CLIENTS: readonly string[] = Object.keys(FILES);

/** Loads a client by its name; the others are not even downloaded. */
export async function loadClient(name: string): Promise<Client> {
  const { client } = await import(new URL(FILES[name], import.meta.url).href);
  return client;
}
