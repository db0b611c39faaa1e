import { assertEquals } from "@std/assert";

const ROOT = new URL("../", import.meta.url);

/** What a user reads, with old words that a plain one says as well. */
const PLACES = [
  "mod.ts",
  "src",
  "README.md",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "docs",
  "examples",
];
const OLD_WORDS = /\b(mend|mends|mended|heed|heeds|heeded|anew|by custom)\b/gi;

async function* textsIn(path: string): AsyncGenerator<string> {
  if ((await Deno.stat(new URL(path, ROOT))).isFile) return yield path;
  for await (const { name, isFile, isDirectory } of Deno.readDir(new URL(path, ROOT))) {
    if (isDirectory) yield* textsIn(`${path}/${name}`);
    else if (isFile && /\.(ts|md)$/.test(name)) yield `${path}/${name}`;
  }
}

Deno.test("Messages and documentation use plain words", async () => {
  const found: string[] = [];
  for (const place of PLACES) {
    for await (const path of textsIn(place)) {
      const lines = (await Deno.readTextFile(new URL(path, ROOT))).split("\n");
      lines.forEach((line, index) => {
        for (const [word] of line.matchAll(OLD_WORDS)) found.push(`${path}:${index + 1}: ${word}`);
      });
    }
  }
  assertEquals(found, []);
});
