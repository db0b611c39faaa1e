/**
 * Runs Deno with the arguments it is given, whether or not jsr.io can be reached.
 *
 * `deno.json` names its `jsr:` dependencies as they are. If jsr.io answers, nothing is changed. If it does not,
 * Deno gets a generated configuration that links those packages to the stand-ins in `tools/offline/std`. This file
 * imports nothing but a part of Deno, so that it starts on a machine that can download nothing.
 *
 *     deno run -A --no-config tools/deno.ts test tests/
 *
 * `LAPINMQ_STD=/path/to/std` links to a checkout of denoland/std instead, whatever jsr.io does.
 */

import { fileURLToPath } from "node:url";

type Source =
  | { readonly kind: "jsr" }
  | { readonly kind: "stand-ins" }
  | { readonly kind: "checkout"; readonly path: string };

/** Remembers the answer for every process that is started from here: the probe runs once. */
const JSR_VARIABLE = "LAPINMQ_JSR";
const STD_VARIABLE = "LAPINMQ_STD";
const PROBE_TIMEOUT_MS = 3_000;
const PACKAGES = ["assert", "async", "dotenv"];
const TAKES_CONFIG = new Set(
  "add bench cache check compile coverage doc eval fmt info install lint publish repl run serve test"
    .split(" "),
);

const root = new URL("../", import.meta.url);

async function jsrAnswers(): Promise<boolean> {
  const base = Deno.env.get("JSR_URL") ?? "https://jsr.io";
  try {
    const response = await fetch(new URL("/@std/assert/meta.json", base), {
      signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
    });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

/** What an earlier launcher, or the user, has settled. */
function knownSource(): Source | undefined {
  const path = Deno.env.get(STD_VARIABLE);
  if (path) return { kind: "checkout", path };
  const known = Deno.env.get(JSR_VARIABLE);
  if (known === "reachable") return { kind: "jsr" };
  if (known === "unreachable") return { kind: "stand-ins" };
  return undefined;
}

async function chooseSource(): Promise<Source> {
  const known = knownSource();
  if (known !== undefined) return known;
  const reachable = await jsrAnswers();
  Deno.env.set(JSR_VARIABLE, reachable ? "reachable" : "unreachable");
  if (reachable) return { kind: "jsr" };
  console.error("jsr.io is out of reach: @std comes from the stand-ins in tools/offline/std");
  return { kind: "stand-ins" };
}

/** The path of a configuration that equals `deno.json` but for its links; git ignores it. */
function writeLinkedConfig(name: string, links: string[]): string {
  const config = JSON.parse(Deno.readTextFileSync(new URL("deno.json", root)));
  // A dry run of `deno publish` takes what is linked for a part of the package, and wants to find it there.
  const inside = links.filter((link) => link.startsWith("./"));
  const publish = { ...config.publish, include: [...config.publish.include, ...inside] };
  const text = JSON.stringify({ ...config, publish, links }, null, 2) + "\n";
  const file = new URL(name, root);
  const path = fileURLToPath(file);
  try {
    if (Deno.readTextFileSync(file) === text) return path;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  // Written aside and renamed, because several launchers may be doing this at the same moment.
  const draft = `${path}.${Deno.pid}`;
  Deno.writeTextFileSync(draft, text);
  Deno.renameSync(draft, path);
  return path;
}

function configFor(source: Source): string | undefined {
  switch (source.kind) {
    case "jsr":
      return undefined;
    case "stand-ins":
      return writeLinkedConfig(
        "deno.offline.json",
        PACKAGES.map((name) => `./tools/offline/std/${name}`),
      );
    case "checkout":
      return writeLinkedConfig(
        "deno.checkout.json",
        // As a workspace its packages find one another, as those in use need `@std/internal`.
        [source.path],
      );
  }
}

function withConfig(args: string[], config: string | undefined): string[] {
  const [subcommand, ...rest] = args;
  if (config === undefined || !TAKES_CONFIG.has(subcommand)) return args;
  return [subcommand, "--config", config, ...rest];
}

/**
 * The arguments with which Deno itself does what the launcher would do; `undefined` if it has not been settled yet
 * whether jsr.io answers. A child that is started this way is the program, and not a launcher between.
 */
export function knownArguments(args: readonly string[]): string[] | undefined {
  const source = knownSource();
  return source && withConfig([...args], configFor(source));
}

/** The signals that end a program; Windows knows the first one only. */
const FORWARDED: Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

if (import.meta.main) {
  const args = withConfig(Deno.args, configFor(await chooseSource()));
  const child = new Deno.Command(Deno.execPath(), { args }).spawn();
  for (const signal of FORWARDED) {
    Deno.addSignalListener(signal, () => {
      try {
        child.kill(signal);
      } catch {
        // It has ended already: its exit code is on its way.
      }
    });
  }
  Deno.exit((await child.status).code);
}
