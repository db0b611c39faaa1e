import { launch } from "../../tools/launch.ts";

interface Dependency {
  readonly code?: { readonly specifier?: string };
  readonly isDynamic?: boolean;
}

/** As `deno info --json` tells it. */
export interface Graph {
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly Dependency[];
  }[];
}

/** The modules that a program is made of, types included. */
export async function graphOf(module: string): Promise<Graph> {
  const child = launch(["info", "--json", module], { stdout: "piped", stderr: "piped" });
  return JSON.parse(new TextDecoder().decode((await child.output()).stdout));
}

/** What is loaded with a module: all that it imports, and what that imports in turn. */
export function loadedWith(graph: Graph, specifier: string, loaded = new Set<string>()) {
  if (loaded.has(specifier)) return loaded;
  loaded.add(specifier);
  const { dependencies = [] } = graph.modules.find((module) => module.specifier === specifier) ??
    {};
  for (const { code, isDynamic } of dependencies) {
    if (code?.specifier !== undefined && !isDynamic) loadedWith(graph, code.specifier, loaded);
  }
  return loaded;
}
