import type { Spread } from "../statistics.ts";

/** A number with three digits that mean something: `41.2 k`, `1 230`, `5.28`. */
export function short(value: number): string {
  if (value >= 99_950) return `${Math.round(value / 1_000)} k`;
  if (value >= 9_995) return `${(value / 1_000).toFixed(1)} k`;
  if (value >= 99.95) return String(Math.round(value));
  if (value >= 9.995) return value.toFixed(1);
  return value.toFixed(2);
}

/** The median, and in brackets the least and the greatest where they differ from it. */
export function spreadText({ median, min, max }: Spread): string {
  if (min === max) return short(median);
  return `${short(median)} (${short(min)}–${short(max)})`;
}

/** Lines of cells, each as wide as the widest of its column; all but the first are set to the right. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])
    ).join("  ").trimEnd()
  );
}

/** A Markdown table, the columns aligned to the right but for the first. */
export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const ruler = head.map((_, column) => column === 0 ? "---" : "---:");
  return [head, ruler, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
