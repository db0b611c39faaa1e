import type { Health } from "./health.ts";
import type { HeldDelivery } from "./held_delivery.ts";
import type {
  IsolatedObserver,
  IsolatedOptions,
  IsolatedRunner,
} from "./isolation/isolated_runner.ts";
import type { ResolvedTaskModule } from "./isolation/task_options.ts";
import type { Outcome } from "./message_status.ts";
import type { Runner } from "./task_runner.ts";

/**
 * Runs the tasks of a task module. What starts threads and processes is loaded with the first start,
 * so that a program without a task module does not load it.
 */
export class TaskModuleRunner implements Runner {
  #task: ResolvedTaskModule;
  #options: IsolatedOptions;
  #observer: IsolatedObserver;
  /** Set by the first start. */
  #runner: IsolatedRunner | undefined;
  /** Counted, so that a start that was ended while it loaded knows. */
  #ends = 0;

  constructor(task: ResolvedTaskModule, options: IsolatedOptions, observer: IsolatedObserver) {
    this.#task = task;
    this.#options = options;
    this.#observer = observer;
  }

  get stuck(): Health | undefined {
    return this.#runner?.stuck;
  }

  /** Set while there is no thread or process that could work. */
  get recovering(): Health | undefined {
    return this.#runner?.recovering;
  }

  /**
   * Starts the threads or processes. Rejects if it is ended meanwhile.
   *
   * @throws {ConfigurationError} If they cannot be started or cannot load the task module.
   */
  async start(timeoutMs: number): Promise<void> {
    const ends = this.#ends;
    // Named literally, for all that look for the parts of a program before it runs.
    const { interrupted, isolatedRunner } = await import("./isolation/isolated_runner_of.ts");
    if (this.#ends !== ends) throw interrupted();
    this.#runner ??= isolatedRunner(this.#task, this.#options, this.#observer);
    await this.#runner.start(timeoutMs);
  }

  /** Only after the start. */
  run(held: HeldDelivery): Promise<Outcome> {
    return this.#runner!.run(held);
  }

  /** What waits for a thread or process is to be given back. */
  releaseWaiting(): void {
    this.#runner?.releaseWaiting();
  }

  /**
   * Ends the threads and processes, whatever they are doing.
   *
   * @param withinMs How long to wait for a thread that may be in a busy loop. Default: a second.
   */
  async end(withinMs?: number): Promise<void> {
    this.#ends++;
    await this.#runner?.end(withinMs);
  }
}
