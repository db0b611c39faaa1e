import { mainModule, processId } from "./runtime.ts";

/** More would only fill the list of connections. */
const MOST_CHARACTERS = 100;

/**
 * What the broker shows for the connections of a program that gives them no name: the file it began
 * with, and nothing of the folders above, which may tell of a user or a customer; and its process id,
 * which tells several of the same file apart.
 *
 * @param main The URL of the module that the program began with, if that is known.
 * @param pid Its process id, if that is known.
 */
export function defaultConnectionName(
  main: string | undefined = mainModule(),
  pid: number | undefined = processId(),
): string {
  return ["lapinmq", fileOf(main), pid].filter((part) => part !== undefined).join(" ");
}

function fileOf(main: string | undefined): string | undefined {
  const url = main === undefined ? null : URL.parse(main);
  if (url === null || url.protocol === "data:") return undefined;
  const file = url.pathname.slice(url.pathname.lastIndexOf("/") + 1);
  // The main module of a process that runs a task is named, and is not there.
  if (file === "" || file.startsWith("$lapinmq$")) return undefined;
  return readable(file).slice(0, MOST_CHARACTERS);
}

function readable(file: string): string {
  try {
    // deno-lint-ignore no-control-regex
    return decodeURIComponent(file).replaceAll(/[\x00-\x1f\x7f]/g, "");
  } catch {
    return file; // A percent sign that stands for itself.
  }
}
