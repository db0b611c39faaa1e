import { fileURLToPath } from "node:url";
import { knownArguments } from "./deno.ts";

const LAUNCHER = fileURLToPath(new URL("./deno.ts", import.meta.url));

/** The folder of the repository. */
export const ROOT: string = fileURLToPath(new URL("../", import.meta.url));

export interface LaunchOptions {
  /** The whole environment of the program. */
  readonly environment?: Record<string, string>;
  readonly stdin?: "inherit" | "piped";
  readonly stdout?: "inherit" | "piped";
  readonly stderr?: "inherit" | "piped";
}

/** Starts Deno, with or without jsr.io, in the folder of the repository. */
export function launch(args: readonly string[], options: LaunchOptions = {}): Deno.ChildProcess {
  const { environment, stdin = "inherit", stdout = "inherit", stderr = "inherit" } = options;
  return new Deno.Command(Deno.execPath(), {
    args: knownArguments(args) ?? ["run", "--allow-all", "--no-config", LAUNCHER, ...args],
    cwd: ROOT,
    env: environment,
    clearEnv: environment !== undefined,
    stdin,
    stdout,
    stderr,
  }).spawn();
}
