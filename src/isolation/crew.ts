import { delay } from "@std/async/delay";
import { backoffDelay, STABLE_MS } from "../backoff.ts";
import { Deadline } from "../deadline.ts";
import { ConfigurationError, LapinmqError } from "../errors.ts";
import { Fifo } from "../fifo.ts";
import type { TaskWorker } from "./task_worker.ts";

/** How soon one that has ended is replaced. */
const BACKOFF = { initialDelayMs: 100, maxDelayMs: 10_000 };

/** What a crew needs of whom it works for. */
export interface CrewHost {
  /** How many there are to be. */
  readonly size: number;
  /** Starts one. */
  hire(): TaskWorker;
  /** One has ended by itself, or could not be started, and will be replaced. */
  ended(why: Error, worker?: TaskWorker): void;
}

/** There is none that could work. */
export interface Shortage {
  /** Why the last one is gone, or could not be replaced. */
  readonly why: Error;
  readonly since: Date;
}

/** The threads or processes of a consumer: started once, used again, and replaced when they end. */
export class Crew {
  #host: CrewHost;
  /** Those that are not given up, and what resolves when they leave: with why, unless given up. */
  #members = new Map<TaskWorker, PromiseWithResolvers<Error | undefined>>();
  /** Those of them that have loaded the module. */
  #ready = new Set<TaskWorker>();
  #shortage: Shortage | undefined;
  #loadTimeoutMs = 0;
  #free = new Fifo<TaskWorker>();
  #waiting = new Fifo<(worker: TaskWorker | undefined) => void>();
  #over = new AbortController();

  constructor(host: CrewHost) {
    this.#host = host;
  }

  /**
   * Starts them all. Rejects if it is ended meanwhile; then none is left, either.
   *
   * @param timeoutMs How long each may take to load its module, now and later.
   * @throws {ConfigurationError} If one cannot be started or cannot load its module; then none is left.
   */
  async start(timeoutMs: number): Promise<void> {
    this.#loadTimeoutMs = timeoutMs;
    try {
      const first = Array.from({ length: this.#host.size }, () => this.#hire());
      let areReady = false;
      // One that is given up as it loads may never be ready, nor able to say that it is not.
      const settled = first.map((worker) =>
        Promise.race([worker.ready, this.#members.get(worker)?.promise])
      );
      const ready = Promise.all(settled).then(() => areReady = true);
      await new Deadline(timeoutMs).wait(ready);
      this.#over.signal.throwIfAborted();
      if (!areReady) throw tooLong(timeoutMs);
      for (const worker of first) {
        void this.#keep(worker);
        this.giveBack(worker);
      }
    } catch (error) {
      const wasEnded = this.#over.signal.aborted;
      await this.end();
      throw wasEnded ? interrupted() : error;
    }
  }

  /** Set while there is none that could work, but for the start. */
  get shortage(): Shortage | undefined {
    return this.#shortage;
  }

  /** Waits for one that is free; `undefined` if it is not to be waited for any longer. */
  take(): Promise<TaskWorker | undefined> {
    while (this.#free.length > 0) {
      const worker = this.#free.shift()!;
      if (this.#members.has(worker)) return Promise.resolve(worker);
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** It is free again. */
  giveBack(worker: TaskWorker): void {
    if (!this.#members.has(worker)) return;
    if (this.#waiting.length > 0) this.#waiting.shift()!(worker);
    else this.#free.push(worker);
  }

  /**
   * Ends one, and replaces it.
   *
   * @param withinMs How long to wait for one that may be in a busy loop.
   * @returns Whether it is known to be gone.
   */
  giveUp(worker: TaskWorker, withinMs?: number): Promise<boolean> {
    this.#members.get(worker)?.resolve(undefined);
    this.#forget(worker);
    return worker.end(withinMs);
  }

  /** Whoever waits for one that is free waits no longer. */
  dismissWaiting(): void {
    for (const resolve of this.#waiting.drain()) resolve(undefined);
  }

  /** Ends them all. */
  async end(withinMs?: number): Promise<void> {
    this.#over.abort();
    this.dismissWaiting();
    await Promise.all([...this.#members.keys()].map((worker) => this.giveUp(worker, withinMs)));
  }

  #hire(): TaskWorker {
    const worker = this.#host.hire();
    const left = Promise.withResolvers<Error | undefined>();
    this.#members.set(worker, left);
    // Why it could not load its module says more than that it has ended then.
    worker.ready.then(() => this.#isReady(worker), left.resolve);
    void worker.ended.then(left.resolve);
    return worker;
  }

  /** Keeps one place filled. */
  async #keep(first: TaskWorker): Promise<void> {
    let why = await this.#whenLeft(first);
    let attempt = 0;
    while (!this.#over.signal.aborted) {
      if (why !== undefined) {
        await delay(backoffDelay(++attempt, BACKOFF), { signal: this.#over.signal })
          .catch(() => {});
        if (this.#over.signal.aborted) return;
      }
      const startedAt = performance.now();
      why = await this.#replace();
      if (performance.now() - startedAt >= STABLE_MS) attempt = 0;
    }
  }

  /** Resolves when the one that took the place has left it too. */
  async #replace(): Promise<Error | undefined> {
    let worker: TaskWorker;
    try {
      worker = this.#hire();
    } catch (error) {
      this.#lost(error as Error);
      return error as Error;
    }
    const tooLate = tooLong(this.#loadTimeoutMs);
    const timer = setTimeout(
      () => this.#members.get(worker)?.resolve(tooLate),
      this.#loadTimeoutMs,
    );
    worker.ready.then(() => {
      clearTimeout(timer);
      this.giveBack(worker);
    }, () => {});
    const why = await this.#whenLeft(worker);
    clearTimeout(timer);
    // A thread that computes as it loads cannot be stopped, and no other is to join it.
    if (why !== undefined && !await worker.end()) await worker.ended;
    return why;
  }

  async #whenLeft(worker: TaskWorker): Promise<Error | undefined> {
    const why = await this.#members.get(worker)?.promise;
    this.#forget(worker);
    if (why !== undefined) this.#lost(why, worker);
    return why;
  }

  #isReady(worker: TaskWorker): void {
    if (!this.#members.has(worker)) return;
    this.#ready.add(worker);
    this.#shortage = undefined;
  }

  #forget(worker: TaskWorker): void {
    this.#members.delete(worker);
    this.#ready.delete(worker);
  }

  #lost(why: Error, worker?: TaskWorker): void {
    if (this.#ready.size === 0) {
      this.#shortage = { why, since: this.#shortage?.since ?? new Date() };
    }
    this.#host.ended(why, worker);
  }
}

/** Why a start rejects that was ended before it was done. */
export function interrupted(): Error {
  return new LapinmqError(
    "Cannot start the consumer: it was stopped before its task module was loaded",
    { code: "CONSUMER_STOPPED" },
  );
}

function tooLong(timeoutMs: number): Error {
  return new ConfigurationError(
    `Cannot load the task module: it is not loaded after ${timeoutMs} ms: see what it waits for at ` +
      `its top level, or raise "startTimeoutMs" of the connection`,
  );
}
