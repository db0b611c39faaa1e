/**
 * Everything that touches the `Deno` global or another part of the platform that may be missing or
 * forbidden. Nothing in here throws if something is not there: it answers as if it were empty.
 */

/** A signal of the operating system that asks a program to end. */
export type OsSignal = "SIGINT" | "SIGTERM" | "SIGHUP" | "SIGQUIT" | "SIGBREAK";

/** The value of an environment variable; `undefined` if it is unset or may not be read. */
export function readEnvironment(name: string): string | undefined {
  try {
    return globalThis.Deno?.env.get(name);
  } catch {
    return undefined; // No permission, or a platform without an environment.
  }
}

/**
 * The same of a variable that the user was not told of, and is not to be asked about: if the program
 * may not read it, Deno would ask the user in the terminal.
 */
export function readEnvironmentQuietly(name: string): string | undefined {
  try {
    const { state } = globalThis.Deno.permissions.querySync({ name: "env", variable: name });
    return state === "granted" ? readEnvironment(name) : undefined;
  } catch {
    return undefined; // A platform without permissions.
  }
}

/** Whether a variable of the environment may not be read, so that nobody knows whether it is set. */
export function environmentIsDenied(name: string): boolean {
  try {
    globalThis.Deno?.env.get(name);
    return false;
  } catch {
    return true;
  }
}

/**
 * Calls `listener` when the operating system sends `signal`.
 *
 * @returns A function that removes the listener, or `undefined` if the platform does not know
 * the signal, or signals at all.
 */
export function onOsSignal(signal: OsSignal, listener: () => void): (() => void) | undefined {
  try {
    globalThis.Deno.addSignalListener(signal, listener);
    return () => globalThis.Deno.removeSignalListener(signal, listener);
  } catch {
    return undefined; // Windows knows few signals, and workers have none.
  }
}

/** Sets the exit code that the program ends with. */
export function setExitCode(code: number): void {
  try {
    globalThis.Deno.exitCode = code;
  } catch {
    // A platform on which programs have none.
  }
}

/** Ends the program at once, if the platform lets it. */
export function exit(code: number): void {
  try {
    globalThis.Deno.exit(code);
  } catch {
    // A platform that ends programs by itself.
  }
}

/**
 * Calls `listener` as the program ends, unless by an error that nobody caught or a signal.
 *
 * @returns A function that removes the listener.
 */
export function onExit(listener: () => void): () => void {
  globalThis.addEventListener("unload", listener);
  return () => globalThis.removeEventListener("unload", listener);
}

let catching = 0;

/** Whether what a listener throws at the moment is caught by {@linkcode catchListenerErrors}. */
export function listenerErrorsAreCaught(): boolean {
  return catching > 0;
}

/**
 * Runs code that tells listeners of the program, such as those of an abort signal. What they throw
 * would end the program; it is handed to `caught` instead, if the platform lets it.
 */
export function catchListenerErrors(code: () => void, caught: (error: unknown) => void): void {
  const take = (event: ErrorEvent) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    caught(event.error);
  };
  globalThis.addEventListener("error", take, { capture: true });
  catching++;
  try {
    code();
  } finally {
    catching--;
    globalThis.removeEventListener("error", take, { capture: true });
  }
}

/** Lets the program end although the timer still runs. */
export function unrefTimer(id: ReturnType<typeof setTimeout>): void {
  try {
    // What `setTimeout` handed out, as it is: a number, or an object whose number is not taken back.
    globalThis.Deno.unrefTimer(id as unknown as number);
  } catch {
    // If the platform cannot do it, the timer merely keeps the program alive until it fires.
  }
}

/** Whether a module may be loaded at run time, as far as that takes a permission to read it. */
export function mayReadModule(href: string): boolean {
  if (!href.startsWith("file:")) return true;
  try {
    return globalThis.Deno.permissions.querySync({ name: "read", path: new URL(href) }).state ===
      "granted";
  } catch {
    return true; // If nobody knows, loading it tells.
  }
}

/** Whether a file may be read without asking anybody, as far as that takes a permission. */
export function mayReadFile(path: string): boolean {
  try {
    return globalThis.Deno.permissions.querySync({ name: "read", path }).state === "granted";
  } catch {
    return true; // If nobody knows, reading it tells.
  }
}

/** The version of Deno, such as `"2.9.6"`; `undefined` if the program runs on something else. */
export function denoVersion(): string | undefined {
  return globalThis.Deno?.version?.deno;
}

/** The version of Deno, for the client properties of a connection. */
export function platformName(): string {
  return `Deno ${denoVersion() ?? "(unknown version)"}`;
}

/** Whether the program holds a permission without any restriction. */
export function holdsInFull(name: Deno.PermissionDescriptor["name"]): boolean {
  try {
    const status = globalThis.Deno.permissions.querySync({ name });
    return status.state === "granted" && !status.partial;
  } catch {
    return false; // A platform without permissions.
  }
}

/** Whether the program may run another one. */
export function mayRun(path: string): boolean {
  try {
    return globalThis.Deno.permissions.querySync({ name: "run", command: path }).state ===
      "granted";
  } catch {
    return false; // A platform without permissions.
  }
}

/** The Deno that runs the program; `undefined` if it cannot run another program. */
export function denoExecutable(): string | undefined {
  try {
    return globalThis.Deno.build.standalone ? undefined : globalThis.Deno.execPath();
  } catch {
    return undefined; // A platform on which there is nothing to execute.
  }
}

/**
 * What a file holds. `node:fs` is not imported for it: that takes as long as all of this library.
 *
 * @throws {Error} With the `code` of the system, such as `ENOENT`, if it cannot be read.
 */
export function readFileAsText(path: string): string {
  return globalThis.Deno.readTextFileSync(path);
}

/** The id of the program's process, if there is one. */
export function processId(): number | undefined {
  return globalThis.Deno?.pid;
}

/** The URL of the module that the program began with. */
export function mainModule(): string | undefined {
  return globalThis.Deno?.mainModule;
}
