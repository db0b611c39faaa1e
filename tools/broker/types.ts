import type { Server } from "./server.ts";

/** How to run a command against one broker: survives a trip through JSON to another process. */
export interface Control {
  /** `rabbitmqctl` for this broker; its arguments follow. */
  readonly ctl: readonly string[];
  /** Evaluates the Erlang expression on its standard input, many times faster than `rabbitmqctl eval`. */
  readonly evaluate: readonly string[];
  /** The whole environment of both, or nothing if the caller's own is right. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** A broker to talk to. */
export interface Broker {
  readonly url: string;
  readonly hostname: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly vhost: string;
  readonly version: string;
  /** Where it comes from, in one line and without a password. */
  readonly origin: string;
  /** Whether it was started for us: only such a one may be disturbed. */
  readonly own: boolean;
  /** What it is made of, to start more of the same kind; only of our own. */
  readonly server?: Server;
  /** How another process can control it; only of our own. */
  readonly control?: Control;
  /** The output of `rabbitmqctl` (1 to 2 s a call); only of our own. */
  ctl?(...args: string[]): Promise<string>;
  /** The value of an Erlang expression on the broker (30 ms a call); only of our own. */
  evaluate?(expression: string): Promise<string>;
  /** Ends it, if it is our own, and removes its data. */
  stop(): Promise<void>;
}

/** Tells the user what is going on, a line at a time. */
export type Log = (line: string) => void;
