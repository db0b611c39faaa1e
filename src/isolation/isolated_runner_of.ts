import { interrupted } from "./crew.ts";
import { type IsolatedObserver, type IsolatedOptions, IsolatedRunner } from "./isolated_runner.ts";
import { ProcessWorker } from "./process_worker.ts";
import type { ResolvedTaskModule } from "./task_options.ts";
import type { TaskWorker } from "./task_worker.ts";
import { ThreadWorker } from "./thread_worker.ts";

export { interrupted };

/** What runs the tasks of a task module, in threads or processes. */
export function isolatedRunner(
  task: ResolvedTaskModule,
  options: IsolatedOptions,
  observer: IsolatedObserver,
): IsolatedRunner {
  return new IsolatedRunner(options, workersOf(task), observer);
}

/** What starts a thread or process for the task module. */
function workersOf(task: ResolvedTaskModule): () => TaskWorker {
  const { kind, href } = task;
  return kind === "thread"
    ? () => new ThreadWorker(href)
    : () => new ProcessWorker(href, task.options);
}
