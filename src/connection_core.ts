import { defaultDriver } from "./amqp/default_driver.ts";
import type { Driver } from "./amqp/driver.ts";
import type { ResolvedConnectionOptions } from "./connection_options.ts";
import { Deadline } from "./deadline.ts";
import { closed, opened } from "./isolation/own_connections.ts";
import { type ConnectionRole, Link } from "./link.ts";
import { LoopWatch } from "./loop_watch.ts";

/** A publisher or consumer, as its connection knows it. */
export interface ConnectionUser {
  readonly role: ConnectionRole;
  stop(options: { timeoutMs?: number }): Promise<unknown>;
}

/**
 * The inside of a `Connection`: one link for all publishers and one for all consumers. The broker
 * throttles a connection that publishes by not reading from it, which would hold back
 * acknowledgements if they shared it.
 */
export class ConnectionCore {
  readonly options: ResolvedConnectionOptions;
  readonly links: Readonly<Record<ConnectionRole, Link>>;
  readonly loop: LoopWatch;
  #users = new Set<ConnectionUser>();

  constructor(options: ResolvedConnectionOptions, driver: Driver = defaultDriver) {
    this.options = options;
    this.links = { publish: new Link(driver, options), consume: new Link(driver, options) };
    this.loop = new LoopWatch(options.heartbeatSeconds);
    for (const link of Object.values(this.links)) link.observe({ connected: () => this.#tune() });
  }

  /** What was agreed on may be less than what was wished for, and differ between two nodes. */
  #tune(): void {
    const agreed = Object.values(this.links).map(({ state }) =>
      state.kind === "open" ? state.connection.heartbeatSeconds : 0
    );
    const strict = agreed.filter((seconds) => seconds > 0);
    this.loop.heartbeatSeconds = strict.length > 0 ? Math.min(...strict) : 0;
  }

  /** Registers who is to be stopped before the connection closes. */
  addUser(user: ConnectionUser): void {
    this.#users.add(user);
    opened(this);
  }

  removeUser(user: ConnectionUser): void {
    this.#users.delete(user);
    if (this.#users.size === 0) closed(this);
  }

  /**
   * Stops the consumers, then the publishers that they may be using, then closes the links.
   *
   * @param timeoutMs How long it may take altogether; each its own default if it is `undefined`.
   */
  async close(timeoutMs?: number): Promise<void> {
    const deadline = timeoutMs === undefined ? undefined : new Deadline(timeoutMs);
    const left = () => deadline?.left();
    for (const role of ["consume", "publish"] as const) {
      const users = [...this.#users].filter((user) => user.role === role);
      await Promise.all(users.map((user) => user.stop({ timeoutMs: left() })));
    }
    await Promise.all([this.links.consume.close(left()), this.links.publish.close(left())]);
  }
}
