import { freePort } from "./ports.ts";
import { inside, type Server } from "./server.ts";
import { supervise, type Supervised } from "./supervise.ts";

const LINUX_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * What the nodes of one cluster share, and nobody else: a folder, an Erlang cookie, and a port mapper (epmd) of their
 * own, so that the one of the machine is never touched.
 */
export interface Cell {
  readonly server: Server;
  /** Part of the names of its nodes, by which they are told from those of others. */
  readonly id: string;
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  /** The path of something in the folder as the server sees it. */
  seen(path: string): string;
  /** A number for the next node. */
  nextNumber(): number;
  /** Counts a node in. The cell ends when the last one has left. */
  enter(): void;
  leave(): Promise<void>;
}

/** Makes a cell for brokers of this kind. */
export async function createCell(server: Server): Promise<Cell> {
  const root = server.kind === "folder" ? server.root : "";
  const folder = await Deno.makeTempDir({
    dir: root === "" ? undefined : `${root}/tmp`,
    prefix: "lapinmq-",
  });
  const seen = (path: string) => path.slice(root.length);
  const cookie = `${folder}/.erlang.cookie`;
  await Deno.writeTextFile(cookie, crypto.randomUUID().replaceAll("-", "").toUpperCase());
  await Deno.chmod(cookie, 0o400);
  const environment = {
    PATH: root === "" ? Deno.env.get("PATH") ?? LINUX_PATH : LINUX_PATH,
    LANG: "C.UTF-8",
    LC_ALL: "C.UTF-8",
    HOME: seen(folder),
    ERL_EPMD_PORT: String(freePort()),
    ERL_EPMD_ADDRESS: "127.0.0.1",
  };
  const epmd: Supervised = await supervise(inside(server, ["epmd"]), {
    environment,
    folder,
    graceMs: 1_000,
  });
  let nodes = 0;
  let numbers = 0;
  return {
    server,
    id: crypto.randomUUID().slice(0, 8),
    folder,
    environment,
    seen,
    nextNumber: () => ++numbers,
    enter: () => void nodes++,
    leave: async () => {
      if (--nodes === 0) await epmd.stop();
    },
  };
}
