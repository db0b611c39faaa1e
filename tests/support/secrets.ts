import { assert } from "@std/assert";

/** Every text by which a value can come to light: its own, its stack, its causes, all its properties. */
function revealed(value: unknown): string {
  const texts = [
    String(value),
    Deno.inspect(value, { depth: 20, showHidden: true, strAbbreviateSize: 1_000_000 }),
  ];
  if (value instanceof Error) {
    texts.push(value.stack ?? "");
    if (value.cause !== undefined) texts.push(revealed(value.cause));
  }
  return texts.join("\n");
}

/** Fails if the secret, or its form in a URL or in base 64, can be seen in one of the values. */
export function assertNoSecret(secret: string, ...values: unknown[]): void {
  for (const value of values) {
    const text = revealed(value);
    for (const form of [secret, encodeURIComponent(secret), btoa(secret)]) {
      assert(!text.includes(form), `The secret shows in: ${text.replaceAll(form, "<secret>")}`);
    }
  }
}
