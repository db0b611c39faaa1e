/** A value as an assertion's message shows it. */
export function show(value: unknown): string {
  return Deno.inspect(value, {
    depth: Infinity,
    sorted: true,
    trailingComma: true,
    compact: false,
    iterableLimit: Infinity,
    strAbbreviateSize: Infinity,
  });
}

/** What the caller had to add, if anything. */
export function suffix(msg: string | undefined): string {
  return msg ? `: ${msg}` : ".";
}
