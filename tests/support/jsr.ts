/** A stand-in for jsr.io on this machine, which serves this package as `deno publish` would publish it. */

import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { launch, ROOT } from "../../tools/launch.ts";

/** A version of a package: its files by path, and what it exports. */
interface Version {
  readonly files: ReadonlyMap<string, string>;
  readonly exports: Record<string, string>;
}

/** The stand-in, which serves until it is disposed of. */
export interface Registry extends AsyncDisposable {
  /** For `JSR_URL`. */
  readonly url: string;
  /** Publishes a version of a package. */
  publish(name: string, version: string, what: Version): void;
}

/** Serves what is published: versions, checksums and files, as Deno asks jsr.io for them. */
export async function registry(): Promise<Registry> {
  const versions = new Map<string, Set<string>>();
  const texts = new Map<string, string>();
  const server = createServer(({ url = "" }, response) => {
    const text = texts.get(url);
    const type = url.endsWith(".ts") ? "text/typescript" : "application/json";
    response.writeHead(text === undefined ? 404 : 200, { "content-type": type }).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    publish(name, version, { files, exports }) {
      const all = versions.get(name) ?? new Set();
      const manifest: Record<string, unknown> = {};
      for (const [path, text] of files) {
        const checksum = `sha256-${createHash("sha256").update(text).digest("hex")}`;
        manifest[path] = { size: new TextEncoder().encode(text).length, checksum };
        texts.set(`/${name}/${version}${path}`, text);
      }
      all.add(version);
      versions.set(name, all);
      texts.set(`/${name}/${version}_meta.json`, JSON.stringify({ exports, manifest }));
      const [scope, short] = name.slice(1).split("/");
      const known = Object.fromEntries([...all].map((one) => [one, {}]));
      const meta = { scope, name: short, latest: version, versions: known };
      texts.set(`/${name}/meta.json`, JSON.stringify(meta));
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function readConfig(folder: string) {
  return JSON.parse(await Deno.readTextFile(`${folder}deno.json`));
}

/** The paths of what `deno publish` takes, as it lists them itself. */
export async function publishedPaths(): Promise<string[]> {
  const args = ["publish", "--dry-run", "--allow-dirty", "--no-check", "--allow-slow-types"];
  const { stderr, stdout } = await launch(args, { stdout: "piped", stderr: "piped" }).output();
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  const root = new URL("../../", import.meta.url).href;
  const paths = Array.from(said.matchAll(/^ +(file:\S+) \(.*\)$/gm), ([, href]) => href)
    .map((href) => decodeURIComponent(href.slice(root.length - 1)))
    // Taken along where jsr.io is out of reach, as it is linked then.
    .filter((path) => !path.startsWith("/tools/offline/"));
  if (paths.length === 0) throw new Error(`Cannot tell what would be published: ${said}`);
  return paths;
}

/** This package, with the names of `imports` written out as `deno publish` does. */
export async function thisPackage(): Promise<Version & { readonly version: string }> {
  const { exports, imports, version } = await readConfig(ROOT);
  const files = new Map<string, string>();
  for (const path of await publishedPaths()) {
    const text = await Deno.readTextFile(ROOT.slice(0, -1) + path);
    files.set(path, path.endsWith(".ts") ? unfurl(text, imports) : text);
  }
  return { exports, files, version };
}

function unfurl(text: string, imports: Record<string, string>): string {
  return text.replace(/(?<= from )"([^"]+)"/g, (quoted, specifier: string) => {
    const name = Object.keys(imports).find((name) => `${specifier}/`.startsWith(`${name}/`));
    return name === undefined ? quoted : `"${imports[name]}${specifier.slice(name.length)}"`;
  });
}

/** The stand-in of `@std/async`, with these of its exports. */
export async function stdAsync(...only: string[]): Promise<Version> {
  const folder = `${ROOT}tools/offline/std/async/`;
  const exports: Record<string, string> = {};
  const files = new Map<string, string>();
  for (const [path, file] of Object.entries<string>((await readConfig(folder)).exports)) {
    if (!only.includes(path)) continue;
    exports[path] = file;
    files.set(file.slice(1), await Deno.readTextFile(folder + file.slice(2)));
  }
  return { exports, files };
}
