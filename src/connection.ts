import { ConnectionCore } from "./connection_core.ts";
import { type ConnectionOptions, resolveConnectionOptions } from "./connection_options.ts";
import { drainDefault } from "./drain_default.ts";
import { type ErrorDetail, TypedEventTarget } from "./events.ts";
import { type Health, linkHealth } from "./health.ts";
import type { ConnectionRole, LinkObserver } from "./link.ts";
import { knownOptions, optionalMilliseconds } from "./validate.ts";

/** How a `Connection` is closed. */
export interface ConnectionCloseOptions {
  /**
   * How long it may take altogether, in milliseconds, 0 to 2 147 483 647. Default: each consumer and
   * publisher has the default deadline of its own `stop()`; on Deno Deploy 4 000 for all of it.
   */
  timeoutMs?: number;
}

/** The events of a `Connection` and what their `detail` holds. */
export interface ConnectionEventMap {
  /** A connection to the broker is open. */
  connected: { readonly role: ConnectionRole; readonly hostname: string; readonly port: number };
  /** A connection was lost; it will be opened again. */
  disconnected: { readonly role: ConnectionRole; readonly cause: Error };
  /** An attempt follows after a delay. */
  reconnecting: {
    readonly role: ConnectionRole;
    /** Counted from 1 since the connection was lost. */
    readonly attempt: number;
    /** The delay before the attempt, in milliseconds. */
    readonly delayMs: number;
    /** Why there is no connection. */
    readonly cause: Error;
  };
  /** The broker reads no messages for now, for instance because it is low on memory or disk. */
  blocked: { readonly role: ConnectionRole; readonly reason: string };
  /** The broker reads again. */
  unblocked: { readonly role: ConnectionRole };
  /** A listener threw, or a password that expires could not be renewed yet. */
  error: ErrorDetail;
}

/** What the program was told already: notes are of what is the same for all connections. */
const toldNotes = new Set<string>();

let defaultConnection: Connection | undefined;

/** The inside of a connection, for its publishers and consumers only. */
export let coreOf: (connection: Connection) => ConnectionCore;

/**
 * A connection to RabbitMQ, shared by any number of publishers and consumers. It holds at most two
 * TCP connections, one for all publishers and one for all consumers, and one channel for each of
 * them. Nothing is opened before the first of them starts; what is lost is opened again.
 *
 * @example One connection for all
 * ```ts no-assert
 * import { Connection, Consumer, MessageStatus, Publisher } from "@lapinmq/lapinmq";
 *
 * const connection = new Connection({ url: "amqp://guest:guest@localhost/" });
 * const publisher = new Publisher({ connection });
 * const consumer = new Consumer({
 *   connection,
 *   queueName: "task_queue",
 *   taskFunction: () => MessageStatus.SUCCESS,
 * });
 * connection.addEventListener("disconnected", ({ detail }) => console.log(detail.cause.message));
 * ```
 */
export class Connection extends TypedEventTarget<ConnectionEventMap> implements AsyncDisposable {
  #core: ConnectionCore;

  static {
    coreOf = (connection) => connection.#core;
  }

  /**
   * The connection of every publisher and consumer that is not given one: made from the
   * environment when it is first asked for.
   *
   * @throws {ConfigurationError} If a variable of the environment holds a bad value.
   */
  static get default(): Connection {
    return defaultConnection ??= new Connection();
  }

  /**
   * Makes a connection; it opens when its first publisher or consumer starts.
   *
   * @param options Where the broker is and how to log in. What is missing comes from the
   * environment, else from the defaults.
   * @throws {ConfigurationError} If an option or a variable of the environment has a bad value.
   */
  constructor(options: ConnectionOptions = {}) {
    const resolved = resolveConnectionOptions(options);
    super(resolved.log);
    this.#core = new ConnectionCore(resolved);
    for (const role of ["publish", "consume"] as const) {
      this.#core.links[role].observe(this.#observer(role));
    }
  }

  /**
   * How the connection is doing: the worse of its two halves, of those that are in use.
   *
   * @example Serve it to a health check
   * ```ts no-assert
   * import { Connection } from "@lapinmq/lapinmq";
   *
   * const { status, reason } = Connection.default.health();
   * console.log(status, reason);
   * ```
   *
   * @returns The verdict.
   */
  health(): Health {
    const { publish, consume } = this.#core.links;
    const used = [publish, consume].filter((link) => link.state.kind !== "idle").map(linkHealth);
    const worst = used.find((health) => health.status === "recovering") ??
      used.find((health) => health.status === "blocked") ?? used[0];
    return worst ?? linkHealth(publish);
  }

  /**
   * Stops the consumers and then the publishers of this connection and closes it. May be called at
   * any time and many times; a publisher or consumer that starts later opens it again.
   *
   * @param options The deadline.
   * @throws {ConfigurationError} If an option has a bad value.
   */
  async close(options: ConnectionCloseOptions = {}): Promise<void> {
    knownOptions("close options", options, ["timeoutMs"]);
    const timeoutMs = optionalMilliseconds("timeoutMs", options.timeoutMs, 0);
    await this.#core.close(timeoutMs ?? drainDefault(undefined));
  }

  /** The same as {@linkcode Connection.close}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #observer(role: ConnectionRole): LinkObserver {
    const { log } = this.#core.options;
    return {
      connected: ({ hostname, port }) => {
        log.info(`connected to ${hostname}:${port} (${role})`);
        this.emit("connected", { role, hostname, port });
      },
      disconnected: (cause) =>
        this.emitProblem("disconnected", { role, cause }, `${cause.message} (${role})`),
      reconnecting: (attempt, delayMs, cause) => {
        const message = `${cause.message}: trying again in ${delayMs} ms (${role})`;
        this.emitProblem("reconnecting", { role, attempt, delayMs, cause }, message);
      },
      renewalFailed: (error) => {
        const message = `the password could not be renewed yet (${role})`;
        this.emitProblem("error", { message, error }, message, error);
      },
      blocked: (reason) =>
        this.emitProblem("blocked", { role, reason }, `blocked by the broker: ${reason} (${role})`),
      unblocked: () => {
        log.info(`the broker accepts messages again (${role})`);
        this.emit("unblocked", { role });
      },
      noted: (note) => {
        if (toldNotes.has(note)) return;
        toldNotes.add(note);
        log.warn(note);
      },
    };
  }
}
