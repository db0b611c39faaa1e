import { assert, assertEquals } from "@std/assert";
import * as lapinmq from "../mod.ts";
import { ROOT } from "../tools/launch.ts";
import { publishedPaths } from "./support/jsr.ts";

const readme = await read("README.md");
const prose = readme.replace(/^```[^]*?^```$/gm, "");

function read(path: string): Promise<string> {
  return Deno.readTextFile(`${ROOT}${path}`);
}

/** All that the first group of the pattern matches, once each, in order of the alphabet. */
function found(text: string, pattern: RegExp): string[] {
  return [...new Set(Array.from(text.matchAll(pattern), ([, group]) => group))].toSorted();
}

/** From one heading or line of the README to the next heading, table or list. */
function part(start: string, end: string): string {
  const from = readme.indexOf(start);
  assert(from !== -1, `README.md has "${start}"`);
  const to = readme.indexOf(end, from + start.length);
  assert(to !== -1, `README.md has "${end}" after "${start}"`);
  return readme.slice(from + start.length, to);
}

/** The names of the fields of an interface. */
async function fields(file: string, name: string): Promise<string[]> {
  const [, body] =
    new RegExp(`^export interface ${name}(?: extends \\w+)? {\n([^]*?)^}$`, "m").exec(
      await read(file),
    ) ?? [];
  assert(body !== undefined, `${file} has the interface ${name}`);
  return found(body, /^ {2}(?:readonly )?(\w+)\??:/gm);
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(`${ROOT}${path}`);
    return true;
  } catch {
    return false;
  }
}

Deno.test("README: the tasks and examples that it names exist", async () => {
  const { tasks } = JSON.parse(await read("deno.json"));
  const text = readme + await read("CONTRIBUTING.md");
  for (const name of found(text, /deno task ([a-z][\w:]*)/g)) {
    assert(Object.hasOwn(tasks, name), `deno.json has the task "${name}"`);
  }
  const examples = found(text, /deno task example (\w+)/g);
  assert(examples.length > 0);
  for (const name of examples) {
    assert(await exists(`examples/${name}.ts`), `there is an example "${name}"`);
  }
});

Deno.test("README: its variables are those that the library reads, no more and no fewer", async () => {
  const files = (await Array.fromAsync(Deno.readDir(`${ROOT}src`))).filter(({ isFile }) => isFile);
  const source = await Promise.all(files.map(({ name }) => read(`src/${name}`)));
  const known = found(source.join("\n"), /\("(RABBITMQ_[A-Z]+)"[,)]/g);
  assertEquals(found(part("## Environment\n", "\n## "), /^\| `(RABBITMQ_\w+)`/gm), known);
  assertEquals(found(readme, /\b(RABBITMQ_[A-Z]+)\b/g), known);
});

Deno.test("README: its options are those of the interfaces, no more and no fewer", async () => {
  const row = /^\| `(\w+)`/gm;
  assertEquals(
    found(part("`new Consumer({ … })`:", "`new Publisher("), row),
    [
      ...new Set([
        ...await fields("src/consumer_options.ts", "BaseConsumerOptions"),
        ...await fields("src/isolation/task_options.ts", "TaskInProgram"),
        ...await fields("src/isolation/task_in_process.ts", "TaskInProcess"),
      ]),
    ].toSorted(),
  );
  assertEquals(
    found(part("`new Publisher({ … })`:", "`new Connection("), row),
    await fields("src/publisher_options.ts", "PublisherOptions"),
  );
  assertEquals(
    found(part("`new Connection({ … })`:", "\n\n"), /`(\w+)`/g),
    [
      ...await fields("src/connection_options.ts", "ConnectionOptions"),
      ...await fields("src/connection_options.ts", "ReconnectOptions"),
    ].toSorted(),
  );
  assertEquals(
    found(part("\nA message: ", "\n\n"), /`(\w+)`/g),
    await fields("src/send_options.ts", "MessageOptions"),
  );
});

Deno.test("README: its defaults are those of the documentation", async () => {
  for (
    const [file, name, table] of [
      [
        "src/consumer_options.ts",
        "BaseConsumerOptions",
        part("`new Consumer({ … })`:", "`new Pub"),
      ],
      ["src/publisher_options.ts", "PublisherOptions", part("`new Publisher({ … })`:", "`new C")],
    ]
  ) {
    const source = await read(file);
    const body = source.slice(source.indexOf(`export interface ${name} `));
    for (const [, value, option] of body.matchAll(/@default {(.*)}\n +\*\/\n +(\w+)\?:/g)) {
      const [, cell] = new RegExp(`^\\| \`${option}\` +\\| (.*?) +\\|`, "m").exec(table) ?? [];
      const plain = cell?.replaceAll(/[ `]/g, "").replace(/^64MiB$/, String(64 * 1024 * 1024));
      assertEquals(plain, value, `the default of ${option}`);
    }
  }
});

Deno.test("README: the names of classes and functions in its text are exported", () => {
  const exported = Object.keys(lapinmq);
  const names = found(prose, /`(?:new )?([A-Z]\w*[a-z]\w*|waitFor\w+|run)(?:[.(][^`]*)?`/g)
    .filter((name) => !["AbortSignal", "Deno", "Uint8Array"].includes(name));
  assert(names.length > 10);
  for (const name of names) assert(exported.includes(name), `mod.ts exports ${name}`);
  assertEquals(
    found(prose, /`([A-Z]+(?:_[A-Z]+)*)` +\|/g).filter((name) => !name.startsWith("RABBITMQ")),
    Object.keys(lapinmq.MessageStatus).toSorted(),
  );
});

Deno.test("README: what it links to is there, and its code is TypeScript or for a shell", async () => {
  const slug = (heading: string) =>
    heading.toLowerCase().replaceAll(/[^\w\- ]/g, "").replaceAll(" ", "-");
  const anchors = Array.from(readme.matchAll(/^#+ (.*)$/gm), ([, heading]) => `#${slug(heading)}`);
  for (const target of found(readme, /\]\(([^)]+)\)/g)) {
    if (target.startsWith("https://")) continue;
    assert(target.startsWith("#") ? anchors.includes(target) : await exists(target), target);
  }
  assertEquals(found(readme, /^```(\w*)\n[^]*?^```$/gm), ["sh", "ts"]);
});

Deno.test("README: what it links to is in the package, or in the repository alone where it is a program", async () => {
  const published = await publishedPaths();
  const pages = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"];
  for await (const { name } of Deno.readDir(`${ROOT}docs`)) {
    if (name.endsWith(".md")) pages.push(`docs/${name}`);
  }
  for (const page of pages) {
    assert(published.includes(`/${page}`), `${page} is in the package`);
    for (const target of found(await read(page), /\]\(([^)\s]+)\)/g)) {
      if (/^(?:https:|#)/.test(target)) continue;
      const { pathname } = new URL(target, new URL(page, "file:///"));
      assert(await exists(pathname.slice(1)), `${page} links to ${target}`);
      // Programs import the package by its name, so they are no part of it.
      if (!pathname.startsWith("/examples")) {
        assert(
          published.includes(pathname),
          `${target}, to which ${page} links, is in the package`,
        );
      }
    }
  }
});

Deno.test("CHANGELOG: it knows the version of deno.json", async () => {
  const { version } = JSON.parse(await read("deno.json"));
  assert((await read("CHANGELOG.md")).includes(version));
});
