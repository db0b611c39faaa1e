import { assert, assertEquals } from "@std/assert";
import { ROOT } from "../tools/launch.ts";

/** Every mode that is to be survived, by its number. */
const MODES = [
  1,
  2,
  3,
  4,
  5,
  6,
  7,
  9,
  10,
  11,
  12,
  13,
  15,
  16,
  17,
  18,
  19,
  20,
  21,
  22,
  23,
  24,
  25,
  26,
  27,
  28,
  30,
  31,
  32,
  33,
  34,
  35,
  36,
  37,
  38,
  40,
  41,
  42,
  43,
  44,
  45,
  46,
  47,
  48,
  49,
  50,
  51,
  52,
  53,
  54,
  56,
  57,
  58,
  59,
  60,
  61,
  63,
  65,
  66,
  67,
  68,
  69,
  70,
  71,
  72,
  73,
  74,
  75,
  76,
  77,
  78,
  79,
  80,
  81,
  82,
  83,
  85,
  86,
];

Deno.test("every failure mode has a test, and its table names it", async () => {
  const table = await Deno.readTextFile(`${ROOT}tests/chaos/README.md`);
  const rows = [...table.matchAll(/^\| (\d+) +\| (\S+) +\| `(.+)` +\|$/gm)];
  assertEquals([...new Set(rows.map(([, mode]) => Number(mode)))], MODES);
  const meanings = [...table.matchAll(/^- \*\*(\d+)\*\* \S/gm)].map(([, mode]) => Number(mode));
  assertEquals(MODES.filter((mode) => !meanings.includes(mode)), [], "It says what each means");
  for (const [, mode, file, name] of rows) {
    const source = await Deno.readTextFile(`${ROOT}${file}`);
    assert(source.includes(name), `Mode ${mode}: ${file} has no test with ${name}`);
    if (!file.startsWith("tests/chaos/")) continue;
    // There, the name of the test begins with the number.
    const isThere = new RegExp(`["\`](?:\\d+ )*${mode} |\\[${mode}, `).test(source);
    assert(isThere, `Mode ${mode}: no test of ${file} begins with its number`);
  }
});
