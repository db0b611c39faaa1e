/** The outcome of a program that has ended. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly stdin?: string;
  /** The whole environment of the program; by default it inherits ours. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Runs a program to its end. One that does not exist has the exit code 127, as in a shell. */
export async function run(line: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
  const { stdin, environment } = options;
  try {
    const child = new Deno.Command(line[0], {
      args: line.slice(1),
      env: environment,
      clearEnv: environment !== undefined,
      stdin: stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    if (stdin !== undefined) {
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(stdin));
      await writer.close();
    }
    const { code, stdout, stderr } = await child.output();
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      return { code: 127, stdout: "", stderr: `${line[0]}: not found` };
    }
    throw error;
  }
}

/**
 * The standard output of a program that must succeed.
 *
 * @throws {Error} With what the program said, when it fails.
 */
export async function output(
  line: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await run(line, options);
  if (code === 0) return stdout;
  const said = (stderr.trim() || stdout.trim()).slice(-2_000);
  throw new Error(`Cannot run ${line.join(" ")}: it ended with ${code}: ${said}`);
}

/** Whether a program exists and succeeds. */
export async function succeeds(...line: string[]): Promise<boolean> {
  return (await run(line)).code === 0;
}
