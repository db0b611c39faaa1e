import { mayReadFile, readFileAsText } from "./runtime.ts";

/** What a file holds, or why that cannot be had, and what to do about it. */
export type TextFile =
  | { readonly text: string }
  | { readonly text?: undefined; readonly problem: string; readonly advice: string };

/** Reads a file at once. If the program may not read it, nobody is asked for the permission. */
export function readTextFile(path: string): TextFile {
  if (!mayReadFile(path)) {
    return { problem: "may not be read", advice: `run with --allow-read=${path}` };
  }
  try {
    return { text: readFileAsText(path) };
  } catch (error) {
    const { code } = error as { code?: unknown };
    const problem = code === "ENOENT" ? "does not exist" : `cannot be read (${code ?? "no code"})`;
    return { problem, advice: "give the path of a file that this program can read" };
  }
}
