import type { ResolvedConsumerOptions, TaskFunction } from "./consumer_options.ts";
import type { Health } from "./health.ts";
import type { HeldDelivery } from "./held_delivery.ts";
import { type Outcome, outcomeOfReturn, outcomeOfThrow } from "./message_status.ts";
import { Overruns } from "./overruns.ts";
import { limitTime } from "./time_limit.ts";

/** Whom a runner tells what it notices. */
export interface TaskObserver {
  /** As many tasks as there are workers run on although their time is over; or one has ended. */
  stuckOrNot(): void;
  /** A task failed without saying so itself. */
  failed(held: HeldDelivery, error: Error, outcome: "retry" | "reject"): void;
}

/**
 * Tells of a task that failed without saying so itself, if it did. One that ends as it was told that
 * there is no point in going on has not failed.
 */
export function tellFailure(observer: TaskObserver, held: HeldDelivery, outcome: Outcome): void {
  if (outcome.kind !== "retry" && outcome.kind !== "reject") return;
  const { kind, failure } = outcome;
  if (failure === undefined || wasToldToEnd(failure, held)) return;
  observer.failed(held, failure, kind);
}

/** Whether a task ended because it was told to; what it throws then may have crossed to its thread. */
function wasToldToEnd({ name, message }: Error, { endReason }: HeldDelivery): boolean {
  return endReason !== undefined && (name === "AbortError" || message === endReason.message);
}

/** Runs the tasks of a consumer. */
export interface Runner {
  /** Set while as many tasks as there are workers run on although their time is over. */
  readonly stuck: Health | undefined;
  /** Runs the task of one message; neither throws nor rejects. */
  run(held: HeldDelivery): Outcome | Promise<Outcome>;
}

/** Runs the task of one message: what it throws, returns or overruns becomes an outcome. */
export class TaskRunner implements Runner {
  #taskFunction: TaskFunction;
  #options: ResolvedConsumerOptions;
  #observer: TaskObserver;
  #overruns: Overruns;

  constructor(
    taskFunction: TaskFunction,
    options: ResolvedConsumerOptions,
    observer: TaskObserver,
  ) {
    this.#taskFunction = taskFunction;
    this.#options = options;
    this.#observer = observer;
    this.#overruns = new Overruns(options.workers, () => observer.stuckOrNot());
  }

  get stuck(): Health | undefined {
    const { count, fullSince } = this.#overruns;
    if (fullSince === undefined) return undefined;
    return {
      status: "down",
      reason: `${count} tasks run on although their time is over: see what they hang on`,
      since: fullSince,
    };
  }

  /** If the task returns at once, so does this. */
  run(held: HeldDelivery): Outcome | Promise<Outcome> {
    const { taskTimeoutMs } = this.#options;
    const taskFunction = this.#taskFunction;
    let returned: unknown;
    try {
      returned = taskFunction(held.message);
      if (!isThenable(returned)) return this.#tell(held, outcomeOfReturn(returned));
    } catch (thrown) {
      return this.#tell(held, outcomeOfThrow(thrown));
    }
    const task = Promise.resolve(returned).then(outcomeOfReturn, outcomeOfThrow);
    const outcome = taskTimeoutMs === undefined ? task : this.#inTime(held, task, taskTimeoutMs);
    return outcome.then((outcome) => this.#tell(held, outcome));
  }

  #tell(held: HeldDelivery, outcome: Outcome): Outcome {
    tellFailure(this.#observer, held, outcome);
    return outcome;
  }

  async #inTime(
    held: HeldDelivery,
    task: Promise<Outcome>,
    taskTimeoutMs: number,
  ): Promise<Outcome> {
    const { taskGraceMs } = this.#options;
    const overrun = Promise.withResolvers<Outcome>();
    let overran = false;
    const stopWatch = limitTime(held, { taskTimeoutMs, taskGraceMs }, () => {
      overran = true;
      this.#overruns.add(1);
      overrun.resolve({ kind: "retry", failure: tookTooLong(taskTimeoutMs, taskGraceMs) });
    });
    void task.then(() => {
      stopWatch();
      if (overran) this.#overruns.add(-1);
    });
    return await Promise.race([task, overrun.promise]);
  }
}

function tookTooLong(taskTimeoutMs: number, taskGraceMs: number): Error {
  return new DOMException(
    `The task runs on ${taskGraceMs} ms after its signal was aborted at ${taskTimeoutMs} ms: it ` +
      `counts as failed, and what it returns is ignored: obey "message.signal"`,
    "TimeoutError",
  );
}

/** Whether a task's value is to be waited for. */
function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null &&
    typeof (value as Partial<PromiseLike<unknown>>).then === "function";
}
