/** A driver without a broker: every answer is scripted, and everything asked of it is recorded. */

import type {
  ChannelEvents,
  ConnectionEvents,
  ConnectTarget,
  Delivery,
  Driver,
  DriverChannel,
  DriverConnection,
  FieldTable,
  OutgoingMessage,
  QueueCounts,
  Settlement,
} from "../../src/amqp/driver.ts";
import type { ResolvedConnectionOptions } from "../../src/connection_options.ts";
import { ChannelError, ConnectionError } from "../../src/errors.ts";
import { resolveLogger } from "../../src/log.ts";
import { Link } from "../../src/link.ts";
import { OutstandingTags } from "./outstanding_tags.ts";

/** What the scripted broker does; each may throw to refuse, or stay pending. Default: it agrees. */
export interface Script {
  /** Before connection number `attempt` (from 1) opens. */
  connect?(target: ConnectTarget, attempt: number): unknown;
  /** Before channel number `count` (from 1, over all connections) opens. */
  openChannel?(connection: ScriptedConnection, count: number): unknown;
  /** A connection is given a new password. */
  updateSecret?(connection: ScriptedConnection, secret: string): unknown;
  /** A connection is asked to close. */
  closeConnection?(connection: ScriptedConnection): unknown;
  /** A message is written; what this throws is thrown at the writer. */
  publish?(channel: ScriptedChannel, tag: number, message: OutgoingMessage): void;
  /** A request on a channel, such as `prefetch 3` or `consume work`. */
  call?(channel: ScriptedChannel, what: string): unknown;
}

export class ScriptedDriver implements Driver {
  /** Changed by tests while they run. */
  script: Script;
  /** The host names that were tried, in order. */
  readonly attempts: string[] = [];
  readonly connections: ScriptedConnection[] = [];
  readonly channels: ScriptedChannel[] = [];

  constructor(script: Script = {}) {
    this.script = script;
  }

  /** The connection that was opened last. */
  get connection(): ScriptedConnection {
    return this.connections[this.connections.length - 1];
  }

  /** The channel that was opened last. */
  get channel(): ScriptedChannel {
    return this.channels[this.channels.length - 1];
  }

  /** How many connections are open. */
  get open(): number {
    return this.connections.filter((connection) => connection.state === "open").length;
  }

  async connect(
    target: ConnectTarget,
    events: ConnectionEvents,
    signal: AbortSignal,
  ): Promise<ScriptedConnection> {
    this.attempts.push(target.endpoint.hostname);
    const connection = new ScriptedConnection(this, target, events);
    this.connections.push(connection);
    const aborted = Promise.withResolvers<never>();
    aborted.promise.catch(() => {});
    const abort = () => aborted.reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    try {
      signal.throwIfAborted();
      await Promise.race([this.script.connect?.(target, this.attempts.length), aborted.promise]);
    } catch (error) {
      connection.state = "refused";
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
    connection.open();
    return connection;
  }
}

export class ScriptedConnection implements DriverConnection {
  readonly driver: ScriptedDriver;
  readonly target: ConnectTarget;
  readonly events: ConnectionEvents;
  state: "opening" | "refused" | "open" | "lost" | "closed" | "destroyed" = "opening";
  /** Stands for the socket, which keeps the program alive. */
  #socket: ReturnType<typeof setInterval> | undefined;
  /** The passwords that it was given after it had opened. */
  readonly secrets: string[] = [];
  heartbeatSeconds = 10;

  constructor(driver: ScriptedDriver, target: ConnectTarget, events: ConnectionEvents) {
    this.driver = driver;
    this.target = target;
    this.events = events;
  }

  get channels(): ScriptedChannel[] {
    return this.driver.channels.filter((channel) => channel.connection === this);
  }

  async openChannel(events: ChannelEvents): Promise<ScriptedChannel> {
    const channel = new ScriptedChannel(this, events);
    const count = this.driver.channels.push(channel);
    await this.driver.script.openChannel?.(this, count);
    if (this.state !== "open") throw new ConnectionError("The connection is not open");
    return channel;
  }

  async close(timeoutMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([
      this.driver.script.closeConnection?.(this),
      new Promise((resolve) => timer = setTimeout(resolve, timeoutMs)),
    ]);
    clearTimeout(timer);
    this.#end("closed", new ConnectionError("Closed"));
  }

  destroy(): void {
    this.#end("destroyed", new ConnectionError("Destroyed"));
  }

  /** Whether it keeps the program alive. */
  get alive(): boolean {
    return this.#socket !== undefined;
  }

  open(): void {
    this.state = "open";
    this.keepAlive(true);
  }

  async updateSecret(secret: string): Promise<void> {
    await this.driver.script.updateSecret?.(this, secret);
    this.secrets.push(secret);
  }

  keepAlive(alive: boolean): boolean {
    clearInterval(this.#socket);
    this.#socket = alive ? setInterval(() => {}, 60_000) : undefined;
    return true;
  }

  /** The connection breaks: its channels hear of it first, as they do with amqplib. */
  lose(cause: Error = new ConnectionError("The test cut the connection")): void {
    this.#end("lost", cause);
  }

  #end(state: "lost" | "closed" | "destroyed", cause: Error): void {
    if (this.state !== "open") return;
    this.state = state;
    this.keepAlive(false);
    for (const channel of this.channels) channel.lose(cause);
    this.events.closed(cause);
  }
}

export class ScriptedChannel implements DriverChannel {
  readonly connection: ScriptedConnection;
  readonly events: ChannelEvents;
  readonly published: OutgoingMessage[] = [];
  /** The settlements that were written; the last element is there where it speaks of all up to it. */
  readonly settled: (readonly [tag: number, how: Settlement, multiple?: true])[] = [];
  /** What the broker makes of them. */
  readonly outstanding: OutstandingTags = new OutstandingTags();
  /** The requests it was sent, in order. */
  readonly calls: string[] = [];
  /** The requests and the settlements, in the order in which they were written. */
  readonly log: string[] = [];
  open = true;
  /** What it says of its queue. */
  counts: QueueCounts = { ready: 0, consumers: 1 };
  /** The bodies that the socket still reads from. */
  readonly lent: Set<Uint8Array> = new Set();
  #lastDelivery = 0;

  constructor(connection: ScriptedConnection, events: ChannelEvents) {
    this.connection = connection;
    this.events = events;
  }

  /** The bodies that were published, as text. */
  get bodies(): string[] {
    return this.published.map(({ body }) => new TextDecoder().decode(body));
  }

  publish(message: OutgoingMessage): void {
    if (!this.open) throw new ConnectionError("The channel is closed");
    const tag = this.published.length + 1;
    this.connection.driver.script.publish?.(this, tag, message);
    this.published.push(message);
  }

  isLent(body: Uint8Array): boolean {
    return this.lent.has(body);
  }

  settle(tag: number, how: Settlement, multiple = false): void {
    if (!this.open) throw new ConnectionError("The channel is closed");
    this.log.push(how);
    this.settled.push(multiple ? [tag, how, true] : [tag, how]);
    try {
      this.outstanding.settle(tag, how, multiple);
    } catch (error) {
      this.lose(new ChannelError((error as Error).message));
    }
  }

  prefetch(count: number): Promise<void> {
    return this.#call(`prefetch ${count}`);
  }

  async declareTemporaryQueue(queueArguments: FieldTable): Promise<string> {
    await this.#call(`declare ${JSON.stringify(queueArguments)}`);
    return `temporary-${this.connection.driver.channels.length}`;
  }

  async checkQueue(queueName: string): Promise<QueueCounts> {
    await this.#call(`check ${queueName}`);
    return this.counts;
  }

  deleteQueue(queueName: string): Promise<void> {
    return this.#call(`delete ${queueName}`);
  }

  bindQueue(queueName: string, exchange: string, bindingKey: string): Promise<void> {
    return this.#call(`bind ${queueName} ${exchange} ${bindingKey}`);
  }

  consume(queueName: string): Promise<void> {
    return this.#call(`consume ${queueName}`);
  }

  cancel(): Promise<void> {
    return this.#call("cancel");
  }

  async close(): Promise<void> {
    await this.#call("close");
    this.lose(new ConnectionError("The channel was closed"));
  }

  /** The broker confirms one message, or all up to it. */
  confirm(tag: number, multiple = false, ok = true): void {
    this.events.confirm(tag, multiple, ok);
  }

  /** The broker returns a message that it was sent. */
  return(tag: number): void {
    const { exchange, routingKey, properties } = this.published[tag - 1];
    const { messageId } = properties;
    this.events.returned({ exchange, routingKey, messageId, replyText: "NO_ROUTE" });
  }

  /** The broker delivers a message. */
  deliver(delivery: Partial<Delivery> = {}): void {
    const delivered = deliveryForTest({ tag: ++this.#lastDelivery, ...delivery });
    this.outstanding.deliver(delivered.tag);
    this.events.delivery(delivered);
  }

  /** The channel breaks. */
  lose(cause: Error): void {
    if (!this.open) return;
    this.open = false;
    this.events.closed(cause);
  }

  async #call(what: string): Promise<void> {
    if (!this.open) throw new ConnectionError("The channel is closed");
    this.calls.push(what);
    this.log.push(what);
    await this.connection.driver.script.call?.(this, what);
    // As with a real one, what was asked for before the channel broke is never answered well.
    if (!this.open) throw new ConnectionError("The channel is closed");
  }
}

/** A delivery with nothing in it but what the test gives. */
export function deliveryForTest(delivery: Partial<Delivery> = {}): Delivery {
  return {
    tag: 1,
    redelivered: false,
    exchange: "",
    routingKey: "work",
    body: new Uint8Array(),
    properties: {},
    headers: {},
    ...delivery,
  };
}

/** Options of a link to the hosts "one", "two" and so on, with short delays. */
export function linkOptions(
  options: Partial<ResolvedConnectionOptions> = {},
  hosts: readonly string[] = ["one"],
): ResolvedConnectionOptions {
  return {
    endpoints: hosts.map((hostname) => ({
      hostname,
      port: 5672,
      username: "guest",
      password: "guest",
      vhost: "/",
      tls: undefined,
    })),
    heartbeatSeconds: 10,
    connectTimeoutMs: 1_000,
    startTimeoutMs: 1_000,
    reconnect: { initialDelayMs: 2, maxDelayMs: 20 },
    connectionName: undefined,
    log: resolveLogger(null),
    ...options,
  };
}

/** A link on a scripted driver, which is closed at the end of the test. */
export class ScriptedLink extends Link implements AsyncDisposable {
  readonly driver: ScriptedDriver;
  readonly options: ResolvedConnectionOptions;

  constructor(
    script: Script = {},
    options: Partial<ResolvedConnectionOptions> = {},
    hosts?: readonly string[],
  ) {
    const driver = new ScriptedDriver(script);
    const resolved = linkOptions(options, hosts);
    super(driver, resolved);
    this.driver = driver;
    this.options = resolved;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(0);
  }
}

/** A promise that never settles: a broker that is frozen. */
export function frozen(): Promise<never> {
  return new Promise(() => {});
}
