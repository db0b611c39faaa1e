import { ConfigurationError } from "../errors.ts";
import { denoExecutable, holdsInFull, mainModule, mayRun } from "../runtime.ts";
import { entryHref } from "./process_entry.ts";
import { permissionFlags, type TaskPermissions } from "./process_flags.ts";

/** What is decided about the processes of a consumer. */
export interface ProcessOptions {
  readonly permissions: TaskPermissions;
  /** Further flags of `deno run`. */
  readonly runFlags: readonly string[];
}

/** A program and its arguments. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
}

/** Named as the main module of the process, for the sake of the folder, and never run. */
const MAIN = "$lapinmq$task";

/**
 * The command that starts a process for a task module.
 *
 * @throws {ConfigurationError} If the program may not start it, or cannot.
 */
export function taskCommand(href: string, { permissions, runFlags }: ProcessOptions): Command {
  const program = programToRun();
  const args = [
    "run",
    "--no-prompt",
    "--quiet",
    ...permissionFlags(permissions, [entryHref, href]),
    ...runFlags,
    `--preload=data:text/javascript,${encodeURIComponent(preload(href))}`,
    mainHref(),
  ];
  return { program, args };
}

/**
 * Imports the task module by a literal `import()`: what a module names literally Deno takes for a part
 * of the program, and reading that needs no permission. (Otherwise importing the module would need
 * `--allow-read` for all that it imports in turn.)
 */
function preload(href: string): string {
  const [entry, task] = [entryHref, href].map((name) => JSON.stringify(name));
  return `import { serveProcess } from ${entry}; await serveProcess(() => import(${task}));`;
}

/**
 * In the folder of the program's main module, so that Deno finds the same `deno.json`, lock file and
 * `node_modules`. It is not that module: a program that compares itself with `Deno.mainModule` is not
 * to start again.
 */
function mainHref(): string {
  const main = mainModule();
  return main !== undefined && URL.canParse(`./${MAIN}`, main)
    ? new URL(`./${MAIN}`, main).href
    : "data:text/javascript,";
}

function programToRun(): string {
  if (mainModule()?.endsWith(`/${MAIN}`)) {
    throw refused(
      `this is such a process already: the task module starts a consumer as it is loaded: do so ` +
        `only "if (import.meta.main)", or put the task into a module of its own`,
    );
  }
  const program = denoExecutable();
  if (program === undefined) {
    throw refused(`only "deno run" can do so, and no compiled program: use isolation "thread"`);
  }
  if (!mayRun(program)) {
    throw refused(`the program may not run Deno: run it with --allow-run=${program}`);
  }
  if (!holdsInFull("env")) {
    throw refused(
      `the program may not read its whole environment, which the process is given: run it with ` +
        `--allow-env; what of it the task may read is said by "taskPermissions"`,
    );
  }
  return program;
}

function refused(why: string): ConfigurationError {
  return new ConfigurationError(`Cannot start a process for the task module: ${why}`);
}
