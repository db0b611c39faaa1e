import { assert, assertEquals } from "@std/assert";
import { ROOT } from "../../tools/launch.ts";

/** On Windows the `pathname` of `file:///C:/x` is no path, and `file://C:\x` no URL: `node:url` knows how. */
const NO_PATH = [
  /import\.meta\.(?:url|resolve\([^)]*\))\)\.pathname/,
  /decodeURIComponent\([\w.]+(?:\([^)]*\))?\.pathname\)/,
  /`file:\/\/\/?\$\{/,
];

async function* modules(folder: string): AsyncGenerator<string> {
  for await (const { name, isFile, isDirectory } of Deno.readDir(`${ROOT}${folder}`)) {
    if (isDirectory) yield* modules(`${folder}/${name}`);
    if (isFile && name.endsWith(".ts")) yield `${folder}/${name}`;
  }
}

Deno.test("No pathname of a URL is taken for a path, and no path made a URL by hand", async () => {
  const found: string[] = [];
  let count = 0;
  for (const folder of ["tools", "tests", "bench", "examples"]) {
    for await (const path of modules(folder)) {
      if (path === "tests/tools/paths_test.ts") continue;
      count++;
      const text = await Deno.readTextFile(`${ROOT}${path}`);
      for (const [index, line] of text.split("\n").entries()) {
        if (NO_PATH.some((one) => one.test(line))) {
          found.push(`${path}:${index + 1}: ${line.trim()}`);
        }
      }
    }
  }
  assert(count > 100);
  assertEquals(found, []);
});

Deno.test("It would be noticed", () => {
  const lines = [
    `decodeURIComponent(new URL("../", import.meta.url).pathname)`,
    "decodeURIComponent(fileOf(name).pathname)",
    "decodeURIComponent(file.pathname)",
    "`file://${ROOT}src/`",
  ];
  for (const line of lines) assert(NO_PATH.some((one) => one.test(line)), line);
});
