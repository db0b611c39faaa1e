/** Small programs that run with Deno to their end, in a folder of this repository or of their own. */

import { launch, ROOT } from "../../tools/launch.ts";

/** What a program has written. */
export interface Written {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program of which this is the source, as if it were in this folder. */
export async function runProgram(source: string, flags: readonly string[]): Promise<Written> {
  const file = await Deno.makeTempFile({
    dir: `${ROOT}tests/support`,
    prefix: "tmp_",
    suffix: ".ts",
  });
  try {
    await Deno.writeTextFile(file, source);
    const child = launch(["run", "--no-prompt", "--quiet", ...flags, file], {
      environment: { ...Deno.env.toObject(), NO_COLOR: "1" },
      stdout: "piped",
      stderr: "piped",
    });
    return written(await child.output());
  } finally {
    await Deno.remove(file);
  }
}

/** Runs Deno in a folder, with nothing of this repository. */
export async function runDeno(
  args: readonly string[],
  options: { cwd: string; environment?: Record<string, string> },
): Promise<Written> {
  const { cwd, environment } = options;
  const env = { NO_COLOR: "1", ...environment };
  return written(
    await new Deno.Command(Deno.execPath(), { args: [...args], cwd, env, stdin: "null" }).output(),
  );
}

/** This repository, as modules import from it. */
export const LIBRARY = new URL("../..", import.meta.url).href.replace(/\/$/, "");

/** A deno.json in which `lapinmq/task` is what task modules import. */
export function config(library: string): string {
  return JSON.stringify({ imports: { "lapinmq/task": `${library}/src/task.ts` } });
}

/** A folder with these files, which is deleted when disposed of. */
export async function folder(
  files: Record<string, string>,
): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ prefix: "lapinmq-" });
  for (const [name, text] of Object.entries(files)) {
    await Deno.mkdir(`${path}/${name}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(`${path}/${name}`, text);
  }
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

function written({ code, stdout, stderr }: Deno.CommandOutput): Written {
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}
