/**
 * Control characters, line separators, marks that turn the direction of text, and half characters:
 * what comes from the network may hold them, and printed raw they forge log lines or steer a terminal.
 */
const UNPRINTABLE =
  // deno-lint-ignore no-control-regex
  /[\u0000-\u001F\u007F-\u009F\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069\uFEFF]|\p{Surrogate}/gu;

/** Those of them that are left in what was printed with `inspect`, which escapes the others. */
const MARKS = /[\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069\uFEFF]|\p{Surrogate}/gu;

const SHORT: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** A text from the network as it may be shown in an error or a log: on one line, without effects. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escaped);
}

/** A text that `inspect` has made, which keeps its lines and colours. */
export function printableInspected(text: string): string {
  return text.replace(MARKS, escaped);
}

function escaped(character: string): string {
  return SHORT[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/**
 * An error of a client, a socket or a server as the cause of another: a copy if its texts have to
 * be changed, as whoever prints an error prints its causes, too.
 *
 * @param change What a text is shown as.
 */
export function shownError(error: unknown, change: (text: string) => string = printable): unknown {
  if (!(error instanceof Error)) return typeof error === "string" ? change(error) : error;
  const { message, stack, cause } = error;
  const shown = change(message);
  const shownCause = cause === undefined ? undefined : shownError(cause, change);
  const lines = (text: string) => text.split("\n").map(change).join("\n");
  const properties = Object.entries(error)
    .map(([name, value]) => [name, typeof value === "string" ? lines(value) : value] as const);
  const isShown = shown === message && shownCause === cause &&
    properties.every(([name, value]) => value === error[name as keyof Error]);
  if (isShown) return error;
  const copy = new Error(shown, cause === undefined ? undefined : { cause: shownCause });
  const hidden = { configurable: true, enumerable: false, writable: true };
  Object.defineProperty(copy, "name", { ...hidden, value: error.name });
  if (stack !== undefined) {
    const value = lines(message === "" ? stack : stack.replaceAll(message, shown));
    Object.defineProperty(copy, "stack", { ...hidden, value });
  }
  for (const [name, value] of properties) {
    Object.defineProperty(copy, name, { ...hidden, enumerable: true, value });
  }
  return copy;
}
