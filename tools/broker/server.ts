import { run } from "./command.ts";

/** Something that brokers can be started from: plain data, so that another process can start more of the same. */
export type Server =
  | { readonly kind: "installed"; readonly bin: string }
  | { readonly kind: "folder"; readonly root: string; readonly bin: string }
  | { readonly kind: "docker"; readonly image: string };

/** Where Debian, Red Hat, Homebrew and the generic archive put it; the wrappers in `sbin` come last. */
const USUAL_FOLDERS = [
  "/usr/lib/rabbitmq/bin",
  "/opt/rabbitmq/sbin",
  "/opt/homebrew/opt/rabbitmq/sbin",
  "/usr/local/opt/rabbitmq/sbin",
  "/usr/local/sbin",
  "/usr/sbin",
];

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    return false;
  }
}

/** A server that is installed on this machine; `LAPINMQ_SERVER_PATH` has the folders to look in, if not the usual. */
export async function installedServer(): Promise<Server | undefined> {
  const folders = Deno.env.get("LAPINMQ_SERVER_PATH")?.split(":") ??
    [...USUAL_FOLDERS, ...(Deno.env.get("PATH") ?? "").split(":")];
  for (const bin of folders) {
    if (bin !== "" && await isFile(`${bin}/rabbitmq-server`)) return { kind: "installed", bin };
  }
  return undefined;
}

/** A command line that runs inside the server's own file system. */
export function inside(server: Server, line: readonly string[]): readonly string[] {
  return server.kind === "folder" ? ["chroot", server.root, ...line] : line;
}

/** Whether a program is there, for the server. */
export async function has(server: Server, program: string): Promise<boolean> {
  return (await run(inside(server, ["sh", "-c", `command -v ${program}`]))).code === 0;
}
