/** Where a publisher or consumer stands. Replaced whole at every change. */
export type LifecycleState<Result> =
  | {
    readonly kind: "idle";
    readonly since: Date;
    readonly stopped: boolean;
    /** Why it was stopped, if nobody asked for it. */
    readonly cause?: Error;
  }
  | { readonly kind: "starting"; readonly since: Date; readonly started: Promise<void> }
  | { readonly kind: "running"; readonly since: Date }
  | { readonly kind: "stopping"; readonly since: Date; readonly stopped: Promise<Result> };

/**
 * Starting and stopping: each may be asked for at any time and many times, and either interrupts the
 * other.
 *
 * @typeParam Result What a stop results in.
 */
export class Lifecycle<Result> {
  #state: LifecycleState<Result> = { kind: "idle", since: new Date(), stopped: false };
  #closed = Promise.withResolvers<Error | undefined>();

  get state(): LifecycleState<Result> {
    return this.#state;
  }

  /** Resolves when what was started has stopped: with the cause, if nobody asked for it. */
  get closed(): Promise<Error | undefined> {
    return this.#closed.promise;
  }

  /**
   * @param begin Does it. If it fails, it must leave nothing behind, unless a stop interrupted
   * it, which then does that.
   */
  async start(begin: () => Promise<void>): Promise<void> {
    if (this.#state.kind === "stopping") await this.#state.stopped;
    if (this.#state.kind === "starting") return await this.#state.started;
    if (this.#state.kind === "running") return;
    if (this.#state.stopped) this.#closed = Promise.withResolvers();
    const started = Promise.withResolvers<void>();
    const starting = { kind: "starting", since: new Date(), started: started.promise } as const;
    this.#state = starting;
    started.resolve(this.#begin(starting, begin));
    await started.promise;
  }

  /**
   * @param end Does it.
   * @param nothing The result if nothing was started.
   * @param cause Why, if nobody asked for it.
   */
  async stop(end: () => Promise<Result>, nothing: Result, cause?: Error): Promise<Result> {
    if (this.#state.kind === "stopping") return await this.#state.stopped;
    if (this.#state.kind === "idle") return nothing;
    const stopped = Promise.withResolvers<Result>();
    this.#state = { kind: "stopping", since: new Date(), stopped: stopped.promise };
    stopped.resolve(this.#end(end, cause));
    return await stopped.promise;
  }

  async #begin(starting: LifecycleState<Result>, begin: () => Promise<void>): Promise<void> {
    try {
      await begin();
      if (this.#state === starting) this.#state = { kind: "running", since: new Date() };
    } catch (error) {
      if (this.#state === starting) {
        this.#state = { kind: "idle", since: new Date(), stopped: false };
      }
      throw error;
    }
  }

  async #end(end: () => Promise<Result>, cause: Error | undefined): Promise<Result> {
    try {
      return await end();
    } finally {
      this.#state = { kind: "idle", since: new Date(), stopped: true, cause };
      this.#closed.resolve(cause);
    }
  }
}
