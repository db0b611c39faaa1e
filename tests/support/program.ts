/** Runs a program of its own with Deno, as a user would. */

import { broker } from "./broker.ts";
import { launch, ROOT } from "../../tools/launch.ts";
import { eventually } from "./eventually.ts";

/** A program that runs. */
export interface Program extends AsyncDisposable {
  /** Everything it has written so far. */
  readonly output: { stdout: string; stderr: string };
  /** Waits until it has written this. */
  waitFor(text: string): Promise<void>;
  /** Sends it a signal. */
  kill(signal: Deno.Signal): void;
  /** Waits until it has ended. */
  readonly ended: Promise<Deno.CommandStatus>;
}

/** What a program is started with. */
export interface ProgramOptions {
  /** Flags of `deno run`. Default: all permissions. */
  readonly flags?: readonly string[];
  /** Variables of its environment, beside those that name the broker. */
  readonly environment?: Record<string, string>;
}

/**
 * Starts a program; its source may import `@lapinmq/lapinmq`. Ends it with SIGKILL when disposed of.
 */
export async function program(source: string, options: ProgramOptions = {}): Promise<Program> {
  // Beside the tests, where the imports of deno.json hold.
  const file = await Deno.makeTempFile({
    dir: `${ROOT}tests/support`,
    prefix: "tmp_",
    suffix: ".ts",
  });
  await Deno.writeTextFile(file, source);
  const { flags = ["--allow-all"], environment = {} } = options;
  const child = launch(["run", "--no-prompt", "--quiet", ...flags, file], {
    environment: {
      ...Deno.env.toObject(),
      RABBITMQ_URL: broker.url,
      NO_COLOR: "1",
      ...environment,
    },
    stdout: "piped",
    stderr: "piped",
  });
  return watch(child, () => Deno.remove(file));
}

/**
 * Follows a program whose output is piped. Ends it with SIGKILL when disposed of.
 *
 * @param cleanUp What is left to do when it has ended.
 */
export function watch(child: Deno.ChildProcess, cleanUp = async () => {}): Program {
  const output = { stdout: "", stderr: "" };
  const collect = async (name: "stdout" | "stderr") => {
    for await (const part of child[name].pipeThrough(new TextDecoderStream())) {
      output[name] += part;
    }
  };
  const ended = Promise.all([child.status, collect("stdout"), collect("stderr")])
    .then(([status]) => status);
  return {
    output,
    ended,
    async waitFor(text) {
      let status: Deno.CommandStatus | undefined;
      void child.status.then((result) => status = result);
      await eventually(`the program writes "${text}"; it wrote ${JSON.stringify(output)}`, () => {
        if ((output.stdout + output.stderr).includes(text)) return true;
        if (status !== undefined) {
          throw new Error(`The program ended with ${status.code}: ${JSON.stringify(output)}`);
        }
        return false;
      });
    },
    kill: (signal) => child.kill(signal),
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await ended;
      await cleanUp();
    },
  };
}
