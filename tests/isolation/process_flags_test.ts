import { assertEquals, assertThrows } from "@std/assert";
import { ConfigurationError } from "../../src/errors.ts";
import {
  permissionFlags,
  resolveTaskPermissions,
  resolveTaskRunFlags,
} from "../../src/isolation/process_flags.ts";

const JSR = "--allow-import=jsr.io:443";
const LOCAL = ["file:///app/src/entry.ts", "file:///app/task.ts"];

Deno.test("permissionFlags denies by name what is not given", () => {
  const denied = ["net", "read", "write", "env", "run", "sys", "ffi"].map((name) =>
    `--deny-${name}`
  );
  assertEquals(permissionFlags("none", LOCAL), [...denied, JSR]);
  assertEquals(permissionFlags({}, LOCAL), [...denied, JSR]);
  assertEquals(permissionFlags({ net: false, read: [] }, LOCAL), [...denied, JSR]);
});

Deno.test("permissionFlags gives all, or what is listed", () => {
  assertEquals(
    permissionFlags({ net: ["a:1", "b:2"], read: true, import: ["c:3"] }, LOCAL),
    [
      "--allow-net=a:1,b:2",
      "--allow-read",
      ...["write", "env", "run", "sys", "ffi"].map((name) => `--deny-${name}`),
      "--allow-import=c:3",
    ],
  );
});

Deno.test("permissionFlags hands down what the program holds in full", () => {
  assertEquals(
    permissionFlags("inherit", LOCAL),
    ["net", "read", "write", "env", "run", "sys", "ffi", "import"].map((name) => `--allow-${name}`),
  );
});

function importFlag(given: Parameters<typeof permissionFlags>[0], hrefs: string[]) {
  return permissionFlags(given, hrefs).filter((flag) =>
    flag.endsWith("import") || /import=/.test(flag)
  );
}

Deno.test("permissionFlags lets the modules be loaded, wherever they are", () => {
  assertEquals(importFlag("none", ["https://jsr.io/@l/l/1.0.0/entry.ts", ...LOCAL]), [JSR]);
  const modules = ["http://localhost:81/entry.ts", "https://example.com/task.ts"];
  const own = "--allow-import=localhost:81,example.com:443,jsr.io:443";
  assertEquals(importFlag("none", modules), [own]);
  assertEquals(importFlag({}, modules), [own]);
  assertEquals(importFlag({ import: ["a:1"] }, ["http://b/task.ts"]), ["--allow-import=a:1,b:80"]);
  assertEquals(importFlag({ import: false }, ["http://b/task.ts"]), ["--allow-import=b:80"]);
  assertEquals(importFlag({ import: false }, LOCAL), ["--deny-import"]);
});

Deno.test("resolveTaskPermissions takes the words and objects of known names", () => {
  assertEquals(resolveTaskPermissions(undefined), "inherit");
  assertEquals(resolveTaskPermissions("none"), "none");
  assertEquals(resolveTaskPermissions({ net: ["a"], env: true, run: undefined }), {
    net: ["a"],
    env: true,
  });
});

const REFUSED_PERMISSIONS: [unknown, string][] = [
  ["all", `received "all": it must be "none", "inherit", or an object with net,`],
  [null, "received null"],
  [{ hrtime: true }, `Cannot use option "hrtime" of the task permissions`],
  [{ net: "a" }, `"taskPermissions.net": received "a"`],
  [{ read: ["/a,/b"] }, `"taskPermissions.read": received ["/a,/b"]`],
  [{ read: [""] }, `"taskPermissions.read": received [""]`],
  [{ env: [1] }, `"taskPermissions.env": received [1]`],
];

for (const [value, text] of REFUSED_PERMISSIONS) {
  Deno.test(`resolveTaskPermissions refuses ${JSON.stringify(value)}`, () => {
    assertThrows(() => resolveTaskPermissions(value), ConfigurationError, text);
  });
}

Deno.test("resolveTaskRunFlags takes flags", () => {
  assertEquals(resolveTaskRunFlags(undefined), []);
  const flags = [
    "--v8-flags=--max-old-space-size=64",
    "--config=a.json",
    "--allow-scripts=npm:a",
    "-qcApp.json",
    "-r=npm:A",
  ];
  assertEquals(resolveTaskRunFlags(flags), flags);
});

const REFUSED_FLAGS: [unknown, string][] = [
  ["--cached-only", `"taskRunFlags": received "--cached-only": it must be an array`],
  [["main.ts"], `"taskRunFlags[0]": received "main.ts"`],
  [["--config", "a.json"], `"taskRunFlags[1]": received "a.json"`],
  [["--"], `"taskRunFlags[0]": received "--"`],
  [[1], `"taskRunFlags[0]": received 1`],
  ...[
    "-A",
    "--allow-all",
    "--allow-net=a",
    "--deny-run",
    "--ignore-env",
    "-P",
    "-Rw",
    "-qA",
    "-rqE=HOME",
    "--no-prompt",
  ]
    .map((flag): [unknown, string] => [[flag], "is said by"]),
];

for (const [value, text] of REFUSED_FLAGS) {
  Deno.test(`resolveTaskRunFlags refuses ${JSON.stringify(value)}`, () => {
    assertThrows(() => resolveTaskRunFlags(value), ConfigurationError, text);
  });
}
