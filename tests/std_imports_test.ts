import { assert, assertEquals } from "@std/assert";
import { ROOT } from "../tools/launch.ts";

/** The modules of a folder, and of those within. */
async function modules(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isFile, isDirectory } of Deno.readDir(ROOT + folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) found.push(...await modules(path));
    if (isFile && name.endsWith(".ts")) found.push(path);
  }
  return found;
}

/** What these modules import of `@std`, once each, in order of the alphabet. */
async function stdImports(paths: readonly string[]): Promise<string[]> {
  const texts = await Promise.all(paths.map((path) => Deno.readTextFile(ROOT + path)));
  const specifiers = texts.flatMap((text) =>
    Array.from(
      text.matchAll(/(?:from|import)\s*\(?\s*"(@std\/[^"]+)"/g),
      ([, specifier]) => specifier,
    )
  );
  return [...new Set(specifiers)].toSorted();
}

Deno.test("The library imports of @std two small modules, and nothing that loads the rest", async () => {
  assertEquals(await stdImports(["mod.ts", ...await modules("src")]), [
    "@std/async/delay",
    "@std/async/unstable-semaphore",
  ]);
});

Deno.test("The stand-ins of @std offer what is imported, and no more", async () => {
  const folders = ["src", "tests", "tools", "bench", "examples"];
  const paths = (await Promise.all(folders.map(modules))).flat();
  const offered: string[] = [];
  for (const name of ["assert", "async", "dotenv"]) {
    const folder = `${ROOT}tools/offline/std/${name}`;
    const config = JSON.parse(await Deno.readTextFile(`${folder}/deno.json`));
    for (const [path, file] of Object.entries<string>(config.exports)) {
      offered.push(config.name + path.slice(1));
      assert((await Deno.stat(`${folder}/${file}`)).isFile);
    }
  }
  assertEquals(await stdImports(["mod.ts", ...paths]), offered.toSorted());
});
