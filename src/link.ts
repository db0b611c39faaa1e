import { delay } from "@std/async/delay";
import type { ConnectionEvents, ConnectTarget, Driver, DriverConnection } from "./amqp/driver.ts";
import { isPermanent } from "./amqp/translate_errors.ts";
import { backoffDelay, STABLE_MS } from "./backoff.ts";
import type { ResolvedConnectionOptions } from "./connection_options.ts";
import type { Endpoint } from "./endpoints.ts";
import { askForCredentials, type Credentials, SecretRenewal } from "./credentials.ts";
import { ConnectionError } from "./errors.ts";
import { unrefTimer } from "./runtime.ts";

/** What a connection to the broker is for. */
export type ConnectionRole = "publish" | "consume";

/** Why the broker does not read from a connection. */
export interface Blockage {
  readonly reason: string;
  readonly since: Date;
}

/** Where a link stands. Replaced whole at every change. */
export type LinkState =
  | { readonly kind: "idle"; readonly since: Date }
  | {
    readonly kind: "connecting";
    readonly since: Date;
    readonly attempt: number;
    readonly cause?: Error;
  }
  | {
    readonly kind: "open";
    readonly since: Date;
    readonly connection: DriverConnection;
    readonly blocked?: Blockage;
    /** What is worth knowing although it works. */
    readonly note?: string;
  };

/** What happens to a link. */
export interface LinkObserver {
  connected?(endpoint: Endpoint): void;
  disconnected?(cause: Error): void;
  reconnecting?(attempt: number, delayMs: number, cause: Error): void;
  blocked?(reason: string): void;
  unblocked?(): void;
  /** There is something worth knowing although the connection works. */
  noted?(note: string): void;
  /** A password that expires could not be renewed yet. */
  renewalFailed?(cause: Error): void;
}

/** How long a link that nobody uses any more stays open, so that a new user finds it. */
const LINGER_MS = 5_000;

/**
 * How long the others may take to come back, and the broker to count a channel in or out: it does so a
 * little after its answer, and nothing tells when.
 */
const SETTLED_MS = 200;

interface Waiter {
  readonly failFast: boolean;
  readonly result: PromiseWithResolvers<DriverConnection>;
}

/**
 * One recovering connection to the broker. It is open, or being opened, while it has users; it
 * tries the endpoints in turn, and waits with backoff after each round of them.
 */
export class Link {
  #driver: Driver;
  #options: ResolvedConnectionOptions;
  #observers = new Set<LinkObserver>();
  #waiters = new Set<Waiter>();
  #state: LinkState = { kind: "idle", since: new Date() };
  #users = 0;
  /** Aborted when nobody wants the link to be open any more. */
  #life = new AbortController();
  #linger: ReturnType<typeof setTimeout> | undefined;
  #nextEndpoint = 0;
  #failedRounds = 0;
  #renewal: SecretRenewal | undefined;
  #closing: Promise<void> | undefined;
  #cautious: Promise<void> = Promise.resolve();
  #openEndpoint: Endpoint;

  constructor(driver: Driver, options: ResolvedConnectionOptions) {
    this.#driver = driver;
    this.#options = options;
    this.#openEndpoint = options.endpoints[0];
  }

  get state(): LinkState {
    return this.#state;
  }

  /** Why the broker does not read from the connection at the moment, if so. */
  get blocked(): Blockage | undefined {
    return this.#state.kind === "open" ? this.#state.blocked : undefined;
  }

  observe(observer: LinkObserver): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  /** Says that somebody uses the link; as long as that is so it is kept open. */
  retain(): void {
    this.#users++;
    if (this.#linger === undefined) return;
    clearTimeout(this.#linger);
    this.#linger = undefined;
    if (this.#state.kind === "open") this.#state.connection.keepAlive(true);
  }

  /** Takes one {@linkcode retain} back. After the last the link lingers for a while. */
  release(): void {
    if (--this.#users > 0) return;
    if (this.#state.kind === "open" && this.#state.connection.keepAlive(false)) {
      this.#linger = setTimeout(() => void this.close(), LINGER_MS);
      unrefTimer(this.#linger);
    } else {
      void this.close();
    }
  }

  /**
   * The open connection; waits for it if there is none yet.
   *
   * @param signal Ends the wait.
   * @param failFast Rejects at the first failure that will not pass by itself.
   */
  async whenOpen(signal: AbortSignal, failFast: boolean): Promise<DriverConnection> {
    if (this.#state.kind === "open") return this.#state.connection;
    const waiter: Waiter = { failFast, result: Promise.withResolvers() };
    const giveUp = () => waiter.result.reject(signal.reason);
    this.#waiters.add(waiter);
    signal.addEventListener("abort", giveUp, { once: true });
    if (this.#state.kind === "idle") void this.#connect(this.#life.signal);
    try {
      signal.throwIfAborted();
      return await waiter.result.promise;
    } finally {
      this.#waiters.delete(waiter);
      signal.removeEventListener("abort", giveUp);
    }
  }

  /**
   * Does something that may cost everybody the connection, alone, and only after a connection of its
   * own has shown that the user may open one channel more.
   *
   * @param work Does it, on the connection that is open then.
   */
  async cautiously<T>(
    signal: AbortSignal,
    work: (connection: DriverConnection) => Promise<T>,
  ): Promise<T> {
    const before = this.#cautious;
    const done = Promise.withResolvers<void>();
    this.#cautious = done.promise;
    try {
      await before;
      signal.throwIfAborted();
      await this.#tryChannel(signal);
      return await work(await this.whenOpen(signal, false));
    } finally {
      done.resolve();
    }
  }

  async #tryChannel(signal: AbortSignal): Promise<void> {
    await delay(SETTLED_MS, { signal });
    const { connectTimeoutMs } = this.#options;
    const events = { closed() {}, blocked() {}, unblocked() {}, noted() {} };
    const endpoint = this.#openEndpoint;
    const login = this.#options.credentials && await this.#login(endpoint);
    const target = this.#target(endpoint, login);
    const connection = await this.#driver.connect(target, events, signal);
    try {
      const none = { confirm() {}, returned() {}, delivery() {}, cancelled() {}, closed() {} };
      const channel = await connection.openChannel(none, { confirms: false });
      await channel.close();
    } finally {
      await connection.close(connectTimeoutMs);
    }
    await delay(SETTLED_MS, { signal });
  }

  /** Waits until the broker reads from the connection again, or the connection is gone. */
  async whenUnblocked(signal: AbortSignal): Promise<void> {
    const over = Promise.withResolvers<void>();
    const end = this.observe({ unblocked: over.resolve, disconnected: () => over.resolve() });
    signal.addEventListener("abort", () => over.resolve(), { once: true });
    if (this.blocked === undefined || signal.aborted) over.resolve();
    await over.promise;
    end();
  }

  /** Closes the connection, and gives up opening one. A later user opens it again. */
  async close(timeoutMs = this.#options.connectTimeoutMs): Promise<void> {
    clearTimeout(this.#linger);
    this.#linger = undefined;
    this.#renewal?.stop();
    const state = this.#state;
    const closed = new ConnectionError("The connection was closed by the program");
    this.#life.abort(closed);
    this.#life = new AbortController();
    this.#state = { kind: "idle", since: new Date() };
    for (const waiter of this.#waiters) waiter.result.reject(closed);
    if (state.kind === "open") this.#closing = state.connection.close(timeoutMs);
    await this.#closing; // It may have begun earlier, as the last user left.
  }

  async #connect(life: AbortSignal, cause?: Error): Promise<void> {
    const { endpoints, reconnect } = this.#options;
    const since = new Date();
    let permanentFailures = 0;
    let pause = cause !== undefined;
    for (let attempt = 1;; attempt++) {
      this.#state = { kind: "connecting", since, attempt, cause };
      if (pause) {
        const delayMs = cause !== undefined && isPermanent(cause)
          ? reconnect.maxDelayMs
          : backoffDelay(++this.#failedRounds, reconnect);
        this.#tell((observer) => observer.reconnecting?.(attempt, delayMs, cause!));
        try {
          await delay(delayMs, { signal: life });
        } catch {
          return; // Closed while it waited.
        }
      }
      const endpoint = endpoints[this.#nextEndpoint];
      try {
        return await this.#open(endpoint, life);
      } catch (error) {
        if (life.aborted) return;
        cause = error as Error;
        this.#nextEndpoint = (this.#nextEndpoint + 1) % endpoints.length;
        pause = this.#nextEndpoint === 0;
        permanentFailures = isPermanent(error) ? permanentFailures + 1 : 0;
        if (permanentFailures >= endpoints.length) {
          this.#failWaiters(cause);
          // Those may have been all who wanted the link.
          await delay(0, { signal: life }).catch(() => {});
          if (life.aborted) return;
        }
      }
    }
  }

  /** Opens a connection, and makes it the link's own unless it was given up meanwhile. */
  async #open(endpoint: Endpoint, life: AbortSignal): Promise<void> {
    const opened: {
      connection?: DriverConnection;
      at: number;
      lost?: Error;
      blocked?: Blockage;
      note?: string;
    } = { at: 0 };
    // What happens before the driver has handed the connection over is remembered until then.
    const setBlocked = (blocked: Blockage | undefined) => {
      opened.blocked = blocked;
      this.#setBlocked(opened.connection, blocked);
    };
    const events: ConnectionEvents = {
      closed: (cause) => {
        opened.lost = cause;
        if (opened.connection !== undefined) this.#lost(opened.connection, cause, opened.at, life);
      },
      blocked: (reason) => setBlocked({ reason, since: new Date() }),
      unblocked: () => setBlocked(undefined),
      noted: (note) => {
        opened.note = note;
        this.#setNote(opened.connection, note);
      },
    };
    const login = this.#options.credentials && await this.#login(endpoint);
    const target = this.#target(endpoint, login);
    const connection = await this.#driver.connect(target, events, life);
    if (opened.lost !== undefined) throw opened.lost;
    if (life.aborted) return connection.destroy();
    opened.connection = connection;
    opened.at = performance.now();
    this.#opened(connection, endpoint);
    this.#renewInTime(connection, login?.expiresAt);
    if (opened.blocked !== undefined) this.#setBlocked(connection, opened.blocked);
    if (opened.note !== undefined) this.#setNote(connection, opened.note);
  }

  async #login(endpoint: Endpoint): Promise<Credentials> {
    const { connectTimeoutMs } = { ...this.#options, ...endpoint };
    return await askForCredentials(this.#options.credentials!, connectTimeoutMs);
  }

  #target(endpoint: Endpoint, login: Credentials | undefined): ConnectTarget {
    const { connectionName, dial } = this.#options;
    const { heartbeatSeconds, connectTimeoutMs } = { ...this.#options, ...endpoint };
    return {
      endpoint: { ...endpoint, ...login },
      heartbeatSeconds,
      timeoutMs: connectTimeoutMs,
      connectionName,
      dial,
    };
  }

  #opened(connection: DriverConnection, endpoint: Endpoint): void {
    this.#openEndpoint = endpoint;
    this.#state = { kind: "open", since: new Date(), connection };
    this.#tell((observer) => observer.connected?.(endpoint));
    for (const waiter of this.#waiters) waiter.result.resolve(connection);
  }

  #renewInTime(connection: DriverConnection, expiresAt: Date | undefined): void {
    const { credentials, connectTimeoutMs } = this.#options;
    if (credentials === undefined || expiresAt === undefined) return;
    const failed = (error: Error) => this.#tell((observer) => observer.renewalFailed?.(error));
    this.#renewal = new SecretRenewal(connection, credentials, connectTimeoutMs, failed);
    this.#renewal.schedule(expiresAt);
  }

  #lost(connection: DriverConnection, cause: Error, openedAt: number, life: AbortSignal): void {
    if (this.#state.kind !== "open" || this.#state.connection !== connection) return;
    const { endpoints } = this.#options;
    this.#renewal?.stop();
    // Only a connection that held for a while starts the backoff afresh: others are flapping.
    if (performance.now() - openedAt > STABLE_MS) this.#failedRounds = 0;
    this.#nextEndpoint = (this.#nextEndpoint + 1) % endpoints.length;
    this.#state = { kind: "idle", since: new Date() };
    this.#tell((observer) => observer.disconnected?.(cause));
    if (this.#users > 0) void this.#connect(life, cause);
  }

  #setBlocked(connection: DriverConnection | undefined, blocked: Blockage | undefined): void {
    if (this.#state.kind !== "open" || this.#state.connection !== connection) return;
    this.#state = { ...this.#state, blocked };
    this.#tell((observer) => blocked ? observer.blocked?.(blocked.reason) : observer.unblocked?.());
  }

  #setNote(connection: DriverConnection | undefined, note: string): void {
    if (this.#state.kind !== "open" || this.#state.connection !== connection) return;
    this.#state = { ...this.#state, note };
    this.#tell((observer) => observer.noted?.(note));
  }

  #failWaiters(cause: Error): void {
    for (const waiter of this.#waiters) {
      if (waiter.failFast) waiter.result.reject(cause);
    }
  }

  #tell(what: (observer: LinkObserver) => void): void {
    for (const observer of [...this.#observers]) what(observer);
  }
}
