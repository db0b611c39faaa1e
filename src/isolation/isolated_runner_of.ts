import { ProcessWorker } from "./process_worker.ts";
import type { ResolvedTaskModule } from "./task_options.ts";
import type { TaskWorker } from "./task_worker.ts";
import { ThreadWorker } from "./thread_worker.ts";

/** What starts a thread or process for the task module. */
export function workersOf(task: ResolvedTaskModule): () => TaskWorker {
  const { kind, href } = task;
  return kind === "thread"
    ? () => new ThreadWorker(href)
    : () => new ProcessWorker(href, task.options);
}
