/**
 * `deno task test [--broker=3|4] [--unit] [--folder=tests/chaos] [--filter=TEXT] [files]`: finds or starts a broker and
 * runs the tests on it, those of one folder alone, or only those that need none. Its output is a line per file, the
 * failures in full, and the counts.
 */
import type { Broker } from "./broker/types.ts";
import { launch, ROOT } from "./launch.ts";
import { readOptions, runTool } from "./options.ts";
import { completeReport, readReport, type Report, summary } from "./test_report.ts";
import { exitCode, withBroker } from "./with_broker.ts";

/** Has a task of its own, as it disturbs brokers and takes its time. */
const CHAOS = "tests/chaos";
/** A test that says nothing for so long hangs. */
const SILENCE_LIMIT_MS = 180_000;

interface Run {
  readonly report: Report;
  readonly text: string;
}

function denoArgs(
  flags: ReadonlyMap<string, string>,
  files: readonly string[],
  junit: string,
): string[] {
  const filter = flags.get("filter");
  return [
    "test",
    "--quiet",
    "--allow-all",
    // Deno has these two off by default; they find what a test leaves open.
    "--sanitize-ops",
    "--sanitize-resources",
    `--junit-path=${junit}`,
    ...(filter === undefined ? [] : [`--filter=${filter}`]),
    ...whatToRun(flags, files),
  ];
}

function whatToRun(flags: ReadonlyMap<string, string>, files: readonly string[]): string[] {
  if (files.length > 0) return [...files];
  const folder = flags.get("folder");
  if (folder !== undefined) return [folder];
  const left = flags.has("unit") ? [CHAOS, "tests/integration"] : [CHAOS];
  return [`--ignore=${left.join(",")}`, "tests"];
}

/** Collects what the runner prints, shows a line for each file as it begins, and ends a runner that hangs. */
async function follow(child: Deno.ChildProcess): Promise<string> {
  let text = "";
  let line = "";
  let silence: number | undefined;
  const listen = () => {
    clearTimeout(silence);
    silence = Number(setTimeout(() => {
      console.error(
        `The tests have said nothing for ${
          SILENCE_LIMIT_MS / 1_000
        } s: they are ended. Their last words:`,
      );
      console.error(text.split("\n").slice(-5).join("\n"));
      child.kill("SIGTERM");
    }, SILENCE_LIMIT_MS));
  };
  const show = (part: string) => {
    text += part;
    line += part;
    const lines = line.split("\n");
    line = lines.pop() ?? "";
    for (const one of lines) {
      const [, count, file] = one.match(/^running (\d+) tests? from (?:\.\/)?(.*)$/) ?? [];
      if (count !== undefined && count !== "0") console.log(`  ${file} (${count})`);
    }
  };
  listen();
  const collect = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    for await (const part of stream.pipeThrough(new TextDecoderStream())) {
      listen();
      show(part);
    }
  };
  await Promise.all([collect(child.stdout), collect(child.stderr)]);
  clearTimeout(silence);
  return text;
}

async function readText(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

async function runTests(
  flags: ReadonlyMap<string, string>,
  files: readonly string[],
  environment: Record<string, string>,
  signal: AbortSignal,
): Promise<Run> {
  const junit = await Deno.makeTempFile({ prefix: "lapinmq-", suffix: ".xml" });
  try {
    const child = launch(denoArgs(flags, files, junit), {
      environment: { ...environment, NO_COLOR: "1" },
      stdout: "piped",
      stderr: "piped",
    });
    const [text, code] = await Promise.all([follow(child), exitCode(child, signal)]);
    return { report: completeReport(readReport(await readText(junit)), text, code), text };
  } finally {
    await Deno.remove(junit);
  }
}

/** From the first error on, or everything if the runner did not get so far. */
function failures(text: string): string {
  const start = text.indexOf("\n ERRORS \n");
  return (start === -1 ? text : text.slice(start)).trim();
}

function tell({ report, text }: Run, why: string, startedAt: number): number {
  if (report.failed > 0) console.log(`\n${failures(text)}\n`);
  if (/^ok \| 0 passed/m.test(text)) console.log("Not one test was run: that counts as a failure");
  if (report.skipped.length > 0) {
    console.log(`Skipped, ${why}:`);
    for (const name of report.skipped) console.log(`  ${name}`);
  }
  console.log(`Took ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`);
  console.log(summary(report));
  return report.failed === 0 ? 0 : 1;
}

function whySkipped(broker: Broker): string {
  return broker.own
    ? "as their files say"
    : "as their files say, or because they need a broker that the tests started, and this one is yours";
}

if (import.meta.main) {
  Deno.chdir(ROOT);
  const startedAt = performance.now();
  await runTool(async () => {
    const { want, flags, rest } = readOptions(Deno.args, ["unit", "folder", "filter"]);
    if (flags.has("unit")) {
      const run = await runTests(flags, rest, Deno.env.toObject(), new AbortController().signal);
      return tell(run, "as their files say", startedAt);
    }
    return withBroker({ want, log: console.log }, async (broker, environment, signal) => {
      const run = await runTests(flags, rest, environment, signal);
      return tell(run, whySkipped(broker), startedAt);
    });
  });
}
