/** What a program loads with the library, and what it loads no sooner than it uses it. */

import { assert, assertEquals } from "@std/assert";
import { graphOf, loadedWith } from "./support/module_graph.ts";
import { LIBRARY } from "./support/small_programs.ts";

const isIsolation = (specifier: string) =>
  specifier.startsWith(`${LIBRARY}/src/isolation/`) ||
  ["node:worker_threads", "node:child_process"].includes(specifier);

Deno.test("mod.ts loads of isolation what validates its options and counts its connections, and no more", async () => {
  const graph = await graphOf("mod.ts");
  const loaded = [...loadedWith(graph, `${LIBRARY}/mod.ts`)];
  assert(loaded.length > 50, `${loaded.length} modules`);
  assertEquals(loaded.filter(isIsolation).toSorted(), [
    `${LIBRARY}/src/isolation/own_connections.ts`,
    `${LIBRARY}/src/isolation/process_flags.ts`,
    `${LIBRARY}/src/isolation/task_options.ts`,
  ]);
});

Deno.test("mod.ts names what threads and processes take, for whoever caches or bundles it", async () => {
  const { modules } = await graphOf("mod.ts");
  const specifiers = modules.map(({ specifier }) => specifier);
  for (const name of ["thread_entry", "process_entry", "crew"]) {
    assert(specifiers.includes(`${LIBRARY}/src/isolation/${name}.ts`), name);
  }
});

Deno.test("mod.ts loads amqplib with the first connection, and names it for whoever caches or bundles it", async () => {
  const graph = await graphOf("mod.ts");
  const isOfAmqplib = (specifier: string) =>
    specifier.startsWith("npm:") || specifier.includes("/src/amqp/amqplib");
  const loaded = [...loadedWith(graph, `${LIBRARY}/mod.ts`)];
  assertEquals(loaded.filter(isOfAmqplib), []);
  const named = graph.modules.filter(({ specifier }) => isOfAmqplib(specifier));
  assert(named.length > 2, `${named.length} modules`);
});
