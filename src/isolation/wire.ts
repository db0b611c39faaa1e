/**
 * What crosses between the program and a thread or process that runs tasks: plain data, which both
 * structured cloning and serialisation keep.
 */

import type { Delivery, FieldTable, MessageProperties } from "../amqp/driver.ts";
import { ConfigurationError, MessageDecodeError } from "../errors.ts";
import type { Outcome } from "../message_status.ts";

/** An error without its class. */
export interface PlainError {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  readonly cause?: PlainError;
}

/** What can be read of a message, or why it cannot be decoded. */
export type Readable<T> =
  | { readonly kind: "value"; readonly value: T }
  | { readonly kind: "unreadable"; readonly error: PlainError };

/** A message on its way to a task. */
export interface WireMessage {
  /** It may share its memory with others. */
  readonly body: Uint8Array;
  readonly exchange: string;
  readonly routingKey: string;
  readonly redelivered: boolean;
  readonly properties: Readable<MessageProperties>;
  readonly headers: Readable<FieldTable>;
}

/** What becomes of a message, and why if its task failed without saying so itself. */
export interface WireOutcome {
  readonly kind: "ack" | "retry" | "reject";
  readonly failure?: PlainError;
  /** What a listener of the message's signal threw. */
  readonly listener?: PlainError;
}

/** What a thread or process is told. */
export type ToTask =
  /** Comes first, and once. */
  | { readonly kind: "load"; readonly href: string }
  | { readonly kind: "run"; readonly message: WireMessage }
  /** Obeyed while a message is worked on. */
  | { readonly kind: "abort"; readonly reason: PlainError };

/** What a thread or process tells. */
export type FromTask =
  /** The module is loaded and has a task. */
  | { readonly kind: "ready" }
  /** The module cannot be used. */
  | { readonly kind: "unusable"; readonly error: PlainError }
  | { readonly kind: "done"; readonly outcome: WireOutcome }
  /** It is about to end by itself, and why. */
  | { readonly kind: "ending"; readonly error: PlainError };

/** How many causes of an error cross with it. */
const MOST_CAUSES = 8;

/** How much of each of its texts crosses: both sides hold it in memory, and it ends up in a log. */
const MOST_CHARACTERS = 16 * 1024;

// As they are before a task module is loaded, which may replace whatever is global.
const asText = String;
const firstOf: (text: string, from: number, to: number) => string = Function.prototype.call.bind(
  String.prototype.slice,
);

function limited(value: unknown): string {
  const text = asText(value);
  return text.length <= MOST_CHARACTERS ? text : firstOf(text, 0, MOST_CHARACTERS) + " …";
}

/** An error, or whatever else was thrown, as plain data: no more than some 400 KB. Never throws. */
export function plainError(thrown: unknown, causes = MOST_CAUSES): PlainError {
  try {
    if (!(thrown instanceof Error)) return { name: "Error", message: limited(thrown) };
    const { name, message, stack, cause } = thrown;
    return {
      // Whoever throws may have set them to anything, and only texts are sure to cross.
      name: limited(name),
      message: limited(message),
      ...(typeof stack === "string" ? { stack: limited(stack) } : {}),
      ...(cause === undefined || causes === 0 ? {} : { cause: plainError(cause, causes - 1) }),
    };
  } catch {
    return { name: "Error", message: "Something that cannot be read was thrown" };
  }
}

/** The error again: of the classes that somebody may ask for, else an `Error` with its name. */
export function errorOf({ name, message, stack, cause }: PlainError): Error {
  const error = errorNamed(name, message);
  const hidden = { configurable: true, enumerable: false, writable: true };
  if (error.name !== name) Object.defineProperty(error, "name", { ...hidden, value: name });
  if (stack !== undefined) Object.defineProperty(error, "stack", { ...hidden, value: stack });
  if (cause !== undefined) {
    Object.defineProperty(error, "cause", { ...hidden, value: errorOf(cause) });
  }
  return error;
}

function errorNamed(name: string, message: string): Error {
  switch (name) {
    case "MessageDecodeError":
      return new MessageDecodeError(message);
    case "ConfigurationError":
      return new ConfigurationError(message);
    case "TimeoutError":
    case "AbortError":
      return new DOMException(message, name);
    case "TypeError":
      return new TypeError(message);
  }
  return new Error(message);
}

function readable<T>(read: () => T): Readable<T> {
  try {
    return { kind: "value", value: read() };
  } catch (error) {
    return { kind: "unreadable", error: plainError(error) };
  }
}

function valueOf<T>(crossed: Readable<T>): T {
  if (crossed.kind === "unreadable") throw errorOf(crossed.error);
  return crossed.value;
}

/** A delivery on its way to a task. */
export function toWire(delivery: Delivery): WireMessage {
  return {
    body: delivery.body,
    exchange: delivery.exchange,
    routingKey: delivery.routingKey,
    redelivered: delivery.redelivered,
    properties: readable(() => delivery.properties),
    headers: readable(() => delivery.headers),
  };
}

/** The delivery again, on the other side. */
export function fromWire(message: WireMessage): Delivery {
  return {
    tag: 0, // It is settled on this side of the wire only.
    body: message.body,
    exchange: message.exchange,
    routingKey: message.routingKey,
    redelivered: message.redelivered,
    get properties() {
      return valueOf(message.properties);
    },
    get headers() {
      return valueOf(message.headers);
    },
  };
}

/** An outcome that settles its message. */
export type SettlingOutcome = Extract<Outcome, { kind: WireOutcome["kind"] }>;

/** What becomes of a message, on its way back. */
export function outcomeToWire(outcome: SettlingOutcome): WireOutcome {
  if (outcome.kind === "ack" || outcome.failure === undefined) return { kind: outcome.kind };
  return { kind: outcome.kind, failure: plainError(outcome.failure) };
}

/** The outcome again. */
export function outcomeFromWire({ kind, failure }: WireOutcome): Outcome {
  if (kind === "ack" || failure === undefined) return { kind };
  return { kind, failure: errorOf(failure) };
}
