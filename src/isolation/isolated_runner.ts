import type { Health } from "../health.ts";
import type { HeldDelivery } from "../held_delivery.ts";
import type { Outcome } from "../message_status.ts";
import { Overruns } from "../overruns.ts";
import { type Runner, type TaskObserver, tellFailure } from "../task_runner.ts";
import { limitTime } from "../time_limit.ts";
import { Crew } from "./crew.ts";
import type { TaskWorker } from "./task_worker.ts";
import { errorOf, outcomeFromWire, toWire } from "./wire.ts";

/** Whom an isolated runner tells what it notices. */
export interface IsolatedObserver extends TaskObserver {
  /** A thread or process has ended while it worked on no message, and will be replaced. */
  replaced(why: Error): void;
}

/** What is decided about the tasks. */
export interface IsolatedOptions {
  readonly workers: number;
  readonly taskTimeoutMs: number | undefined;
  readonly taskGraceMs: number;
}

/** A message that is worked on. */
interface Run {
  readonly held: HeldDelivery;
  readonly settle: (outcome: Outcome) => void;
  /** What becomes of it when its thread or process ends, if that is settled already. */
  atEnd: Outcome | undefined;
}

const RELEASE: Outcome = { kind: "release" };

/** Runs the task of each message in one of several threads or processes. */
export class IsolatedRunner implements Runner {
  #options: IsolatedOptions;
  #hire: () => TaskWorker;
  #observer: IsolatedObserver;
  /** Made again at each start. */
  #crew: Crew;
  #running = new Map<TaskWorker, Run>();
  /** Outlive the crew: what cannot be stopped runs on when the consumer is started again. */
  #overruns: Overruns;

  /** @param hire Starts a thread or process. */
  constructor(options: IsolatedOptions, hire: () => TaskWorker, observer: IsolatedObserver) {
    this.#options = options;
    this.#hire = hire;
    this.#observer = observer;
    this.#overruns = new Overruns(options.workers, () => observer.stuckOrNot());
    this.#crew = this.#newCrew();
  }

  get stuck(): Health | undefined {
    const { count, fullSince } = this.#overruns;
    if (fullSince === undefined) return undefined;
    return {
      status: "down",
      reason: `${count} threads compute on although the time of their task is over, and a thread ` +
        `cannot be stopped: use isolation "process"`,
      since: fullSince,
    };
  }

  /** Set while there is no thread or process that could work. */
  get recovering(): Health | undefined {
    const { shortage } = this.#crew;
    if (shortage === undefined) return undefined;
    return {
      status: "recovering",
      reason: `no thread or process is left for tasks: ${shortage.why.message}`,
      since: shortage.since,
    };
  }

  /**
   * Starts the threads or processes.
   *
   * @throws {ConfigurationError} If they cannot be started or cannot load the task module.
   */
  async start(timeoutMs: number): Promise<void> {
    this.#crew = this.#newCrew();
    await this.#crew.start(timeoutMs);
  }

  /** What waits for a thread or process is to be given back. */
  releaseWaiting(): void {
    this.#crew.dismissWaiting();
  }

  /**
   * Ends the threads and processes, whatever they are doing.
   *
   * @param withinMs How long to wait for a thread that may be in a busy loop. Default: a second.
   */
  async end(withinMs?: number): Promise<void> {
    const working = [...this.#running.keys()];
    await Promise.all([
      ...working.map((worker) => this.#giveUp(worker, () => RELEASE, withinMs)),
      this.#crew.end(withinMs),
    ]);
  }

  async run(held: HeldDelivery): Promise<Outcome> {
    const crew = this.#crew;
    const worker = await crew.take();
    if (worker === undefined) return RELEASE;
    if (!held.open) {
      crew.giveBack(worker);
      return RELEASE;
    }
    const outcome = await this.#runOn(worker, held);
    crew.giveBack(worker);
    tellFailure(this.#observer, held, outcome);
    return outcome;
  }

  async #runOn(worker: TaskWorker, held: HeldDelivery): Promise<Outcome> {
    const givenUp = Promise.withResolvers<Outcome>();
    const run: Run = { held, settle: givenUp.resolve, atEnd: undefined };
    this.#running.set(worker, run);
    const work = worker.run(toWire(held.delivery)).then(
      (outcome) => {
        if (outcome.listener !== undefined) held.listenerThrew(errorOf(outcome.listener));
        return outcomeFromWire(outcome);
      },
      (failure: Error): Outcome => run.atEnd ?? { kind: "retry", failure },
    );
    held.whenAborted((reason) => worker.abort(reason));
    const stopWatch = limitTime(held, this.#options, () => {
      void this.#giveUp(worker, (isGone) => ({
        kind: "retry",
        failure: tookTooLong(this.#options, isGone),
      }));
    });
    const outcome = await Promise.race([work, givenUp.promise]);
    stopWatch();
    held.whenAborted(undefined);
    this.#running.delete(worker);
    return outcome;
  }

  async #giveUp(
    worker: TaskWorker,
    outcome: (isGone: boolean) => Outcome,
    withinMs?: number,
  ): Promise<void> {
    const run = this.#running.get(worker);
    if (run === undefined || run.atEnd !== undefined) return;
    run.atEnd = outcome(true);
    if (await this.#crew.giveUp(worker, withinMs)) return;
    this.#overruns.add(1);
    void worker.ended.then(() => this.#overruns.add(-1));
    run.settle(outcome(false));
  }

  #newCrew(): Crew {
    return new Crew({
      size: this.#options.workers,
      hire: this.#hire,
      ended: (why, worker) => {
        // Otherwise its message tells.
        if (worker === undefined || !this.#running.has(worker)) this.#observer.replaced(why);
      },
    });
  }
}

function tookTooLong({ taskTimeoutMs, taskGraceMs }: IsolatedOptions, isGone: boolean): Error {
  const what = isGone
    ? `its thread or process was ended`
    : `its thread computes on, as a thread cannot be stopped: use isolation "process", or compute ` +
      `in pieces with an await between them`;
  return new DOMException(
    `The task runs on ${taskGraceMs} ms after its signal was aborted at ${taskTimeoutMs} ms: it ` +
      `counts as failed; ${what}; obey "message.signal"`,
    "TimeoutError",
  );
}
