import { fileURLToPath } from "node:url";
import { canInstall, install } from "./apt.ts";
import { output, run, succeeds } from "./command.ts";
import type { Server } from "./server.ts";
import type { Log } from "./types.ts";

/**
 * A current RabbitMQ 4 if there is no Docker: a minimal Debian in a git-ignored folder, whose server is run by `chroot`.
 */

const BROKERS = fileURLToPath(new URL("../../.brokers", import.meta.url));
const BIN = "/usr/lib/rabbitmq/bin";
/** Written last: a folder without it was never completed. */
const MARKER = ".complete";

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch {
    return false;
  }
}

/** The mirror and the proxy that this machine's own package manager uses. */
async function aptSettings(): Promise<{ mirror: string[]; environment: Record<string, string> }> {
  const format = ["--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian"];
  const targets = await run(["apt-get", "indextargets", ...format]);
  const mirror = targets.stdout.split("\n").find((uri) => uri !== "" && !uri.includes("security"));
  const proxy = await run(["apt-config", "shell", "PROXY", "Acquire::http::Proxy"]);
  const address = proxy.stdout.match(/^PROXY='([^']+)'/m)?.[1];
  const environment = { ...Deno.env.toObject(), ...(address ? { http_proxy: address } : {}) };
  return { mirror: mirror ? [mirror] : [], environment };
}

/** What an interrupted installation has left, by the process id in its name. */
async function removeDrafts(): Promise<void> {
  for await (const { name } of Deno.readDir(BROKERS)) {
    const pid = name.match(/^rabbitmq-4\.draft\.(\d+)$/)?.[1];
    if (pid === undefined || await exists(`/proc/${pid}`)) continue;
    await removeTree(`${BROKERS}/${name}`);
  }
}

async function removeTree(folder: string): Promise<void> {
  for (const inner of ["proc", "sys"]) await run(["umount", `${folder}/${inner}`]);
  await output(["rm", "-rf", "--one-file-system", folder]);
}

async function build(target: string): Promise<void> {
  const draft = `${BROKERS}/rabbitmq-4.draft.${Deno.pid}`;
  const { mirror, environment } = await aptSettings();
  try {
    await output(
      [
        "debootstrap",
        "--variant=minbase",
        "--include=rabbitmq-server",
        "sid",
        draft,
        ...mirror,
      ],
      { environment },
    );
    await run(["umount", `${draft}/proc`]);
    await run(["umount", `${draft}/sys`]);
    await output(["sh", "-c", 'rm -rf "$1"/var/cache/apt/archives/*.deb', "sh", draft]);
    await Deno.writeTextFile(`${draft}/${MARKER}`, "");
    await Deno.rename(draft, target);
  } catch (error) {
    await removeTree(draft);
    // Somebody else may have been faster.
    if (!await exists(`${target}/${MARKER}`)) throw error;
  }
}

/**
 * The folder with a RabbitMQ 4, made if need be. `LAPINMQ_RABBITMQ_4` names one that is there already.
 *
 * @throws {Error} When it has to be made and this is not Debian or Ubuntu, or we are not root.
 */
export async function debianFolder(log: Log): Promise<Server> {
  const named = Deno.env.get("LAPINMQ_RABBITMQ_4");
  const root = named ?? `${BROKERS}/rabbitmq-4`;
  if (!await exists(named ? `${root}${BIN}` : `${root}/${MARKER}`)) {
    if (!await canInstall()) {
      throw new Error(
        "Cannot get a RabbitMQ 4: Docker does not answer, and a Debian folder needs root on Debian or Ubuntu: " +
          "start Docker, or a broker of your own and set RABBITMQ_URL",
      );
    }
    log("Installing RabbitMQ 4 into .brokers (once, about a minute) ...");
    if (!await succeeds("debootstrap", "--version")) await install("debootstrap");
    await Deno.mkdir(BROKERS, { recursive: true });
    await removeDrafts();
    await build(root);
  }
  if (Deno.uid() !== 0) {
    throw new Error("Cannot start RabbitMQ 4 from a folder: chroot needs root: use Docker");
  }
  // Names such as localhost must mean the same inside.
  await Deno.copyFile("/etc/hosts", `${root}/etc/hosts`);
  return { kind: "folder", root, bin: BIN };
}
