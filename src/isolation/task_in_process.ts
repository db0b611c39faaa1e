import type { TaskPermissions } from "./process_flags.ts";

/** A task that runs in processes of its own. */
export interface TaskInProcess {
  /**
   * The module of the task, whose default export is made by `defineTask`: a `file:`, `http(s):` or
   * `data:` URL, such as `new URL("./task.ts", import.meta.url)`.
   */
  taskModule: string | URL;
  /**
   * `"process"`: each of the `workers` is a process, of about 20 MB. One that overruns `taskTimeoutMs`
   * and `taskGraceMs` is killed; one that crashes or has no memory left costs its message one attempt.
   *
   * It needs Deno 2.6.0 or later. The program needs `--allow-run` of Deno itself and `--allow-env`, as the process is given its
   * environment. Only `deno run` can start such processes, and no compiled program. They end with the
   * program; if that is killed or ends by an error that nobody caught, one that computes ends no
   * sooner than it awaits something.
   */
  isolation: "process";
  /**
   * What the processes may do: `"none"`, `"inherit"`, or an object that names it. The task module can
   * be loaded in any case, with what it imports, but for one thing: static imports from web servers
   * other than its own, JSR's and the library's need `taskPermissions.import`. With `"inherit"` those
   * that Deno allows by default need nothing. The processes may be given more than the program has
   * itself: a program that may run Deno may run it with any permission.
   *
   * `"inherit"` gives them what the program holds without restriction. What it holds only in part, such
   * as by `--allow-net=example.com` or with a `--deny-…`, is not passed on: name that here.
   *
   * @default {"inherit"}
   */
  taskPermissions?: TaskPermissions;
  /**
   * Further flags of the `deno run` that starts a process, each with its value, and none of permissions:
   *
   * - `"--v8-flags=--max-old-space-size=512"` limits its memory to so many MiB; byte arrays, such as
   *   the body of a message, are not counted;
   * - `"--config=…"`, `"--cached-only"`, `"--no-lock"`, `"--unstable-…"` if the program was started with
   *   them, as Deno does not tell. A `deno.json` and lock file that lie beside the program's main module,
   *   or in a folder above, are found without.
   */
  taskRunFlags?: readonly string[];
}
