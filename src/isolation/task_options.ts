import type { ConsumerOptions, TaskFunction } from "../consumer_options.ts";
import { ConfigurationError } from "../errors.ts";
import { oneOf, refuse } from "../validate.ts";
import { denoVersion } from "../runtime.ts";
import { resolveTaskPermissions, resolveTaskRunFlags } from "./process_flags.ts";
import type { ProcessOptions } from "./process_command.ts";
import type { TaskInProcess } from "./task_in_process.ts";

/** A task that runs in the program itself. */
export interface TaskInProgram {
  /**
   * Works on one message. While it computes without awaiting anything no heartbeat is sent: give a
   * task that computes for long as `taskModule`.
   */
  taskFunction: TaskFunction;
  /** For tasks that do not run in the program. */
  taskModule?: undefined;
  /** For tasks that do not run in the program. */
  isolation?: undefined;
  /** For tasks that run in processes. */
  taskPermissions?: undefined;
  /** For tasks that run in processes. */
  taskRunFlags?: undefined;
}

/** A task that runs in threads of the program. */
export interface TaskInThread {
  /**
   * The module of the task, whose default export is made by `defineTask`: a `file:`, `http(s):` or
   * `data:` URL, such as `new URL("./task.ts", import.meta.url)`.
   */
  taskModule: string | URL;
  /**
   * `"thread"`: each of the `workers` is a thread. It begins soon and costs little for each message,
   * but one in a busy loop cannot be stopped, and one that runs out of memory takes the program along.
   * It has the permissions of the program, and needs `--allow-read` for the local modules it loads.
   *
   * @default {"thread"}
   */
  isolation?: "thread";
  /** For tasks that run in processes: a thread has the permissions of the program. */
  taskPermissions?: undefined;
  /** For tasks that run in processes. */
  taskRunFlags?: undefined;
}

/** Where a task runs. */
export type TaskPlace = TaskInProgram | TaskInThread | TaskInProcess;

/** A task module, validated. */
export type ResolvedTaskModule =
  | { readonly kind: "thread"; readonly href: string }
  | { readonly kind: "process"; readonly href: string; readonly options: ProcessOptions };

/** Where a task runs, validated. */
export type ResolvedTask =
  | { readonly kind: "function"; readonly taskFunction: TaskFunction }
  | ResolvedTaskModule;

/** Options that are for tasks apart from the program, or for processes alone. */
const APART = ["isolation", "taskPermissions", "taskRunFlags"] as const;
const OF_PROCESSES = ["taskPermissions", "taskRunFlags"] as const;

/** Validates the options that say where the task runs. */
export function resolveTask(options: ConsumerOptions): ResolvedTask {
  // Not declared for tasks apart from the program: an error of the compiler that concerns a function
  // would point at that declaration.
  const { taskFunction, taskModule } = options as Partial<TaskInProgram> & ConsumerOptions;
  if (taskFunction !== undefined && taskModule !== undefined) {
    throw new ConfigurationError(
      `Cannot use both "taskFunction" and "taskModule": the task runs either in the program or in ` +
        `threads or processes: give one of them`,
    );
  }
  if (taskModule !== undefined) return resolveTaskModule(options, taskModule);
  if (typeof taskFunction !== "function") {
    refuse(
      "taskFunction",
      taskFunction,
      `a function that takes a message and returns a MessageStatus; or give "taskModule"`,
    );
  }
  for (const name of APART) {
    if (options[name] === undefined) continue;
    throw new ConfigurationError(
      `Cannot use option "${name}" with "taskFunction": it is for tasks that run in threads or ` +
        `processes: give "taskModule" in its place`,
    );
  }
  return { kind: "function", taskFunction };
}

function resolveTaskModule(options: ConsumerOptions, taskModule: unknown): ResolvedTaskModule {
  const href = resolveModule(taskModule);
  const kind = oneOf("isolation", options.isolation, ["thread", "process"], "thread");
  if (kind === "process") {
    checkDeno(denoVersion());
    const permissions = resolveTaskPermissions(options.taskPermissions);
    const runFlags = resolveTaskRunFlags(options.taskRunFlags);
    return { kind, href, options: { permissions, runFlags } };
  }
  for (const name of OF_PROCESSES) {
    if (options[name] === undefined) continue;
    throw new ConfigurationError(
      `Cannot use option "${name}" with isolation "thread": a thread is a part of the program, and ` +
        `may do what the program may: use isolation "process"`,
    );
  }
  return { kind, href };
}

/** The first version whose processes are told the bytes of a message. */
const LEAST_DENO = "2.6.0";

/**
 * A version older than that either cannot start the process, or hands it messages without their
 * bytes, and each would fail for that reason alone. Nothing but the version tells.
 */
export function checkDeno(version: string | undefined): void {
  if (version === undefined) return; // What is no Deno is refused as the process is to be started.
  const [major, minor] = version.split(".").map(Number);
  const [leastMajor, leastMinor] = LEAST_DENO.split(".").map(Number);
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return;
  throw new ConfigurationError(
    `Cannot use isolation "process" on Deno ${version}: a process of it does not receive the ` +
      `bytes of a message: run the program with Deno ${LEAST_DENO} or later, or use isolation "thread"`,
  );
}

const PROTOCOLS = ["file:", "http:", "https:", "data:"];

function resolveModule(taskModule: unknown): string {
  const text = taskModule instanceof URL ? taskModule.href : taskModule;
  if (typeof text === "string") {
    const url = URL.parse(text);
    if (url !== null && PROTOCOLS.includes(url.protocol)) return url.href;
  }
  refuse(
    "taskModule",
    text,
    `a file:, http:, https: or data: URL: for a file beside your module, give ` +
      `new URL("./task.ts", import.meta.url)`,
  );
}
