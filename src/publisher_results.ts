import type { FieldTable, MessageProperties } from "./amqp/driver.ts";

/** How many messages came to which end. */
export interface FlushResult {
  /** How many the broker confirmed. */
  readonly confirmed: number;
  /** How many failed. */
  readonly failed: number;
}

/** How a `Publisher` is stopped. */
export interface PublisherStopOptions {
  /**
   * How long to wait for outstanding confirms, in milliseconds, 0 to 2 147 483 647. Default: 10 000; on
   * Deno Deploy (if `DENO_DEPLOY` is set) 4 000.
   */
  timeoutMs?: number;
}

/** What `Publisher.stop` had to give up. */
export interface PublisherStopResult {
  /** Messages that were never written to the broker. */
  readonly unsent: readonly UnsentMessage[];
  /** Messages that were written and not confirmed: they may or may not have arrived. */
  readonly unknown: readonly UnsentMessage[];
}

/** A message that was given up when its publisher stopped. */
export interface UnsentMessage {
  /** The exchange it was to go to; `""` is the default exchange. */
  readonly exchange: string;
  /** Its routing key; with the default exchange, the name of the queue. */
  readonly routingKey: string;
  /** Its id. */
  readonly messageId: string;
  /** Its body. */
  readonly body: Uint8Array;
  /** Its properties. */
  readonly properties: MessageProperties;
  /** Its headers. */
  readonly headers: FieldTable;
}
