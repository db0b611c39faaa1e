/** Puts the findings of a soak into words. */

import { charges } from "./checker.ts";
import { spread } from "./recovery.ts";
import { type Episode, type Findings, HEARTBEAT_SECONDS } from "./soak.ts";

/** How many examples of a charge are shown. */
const EXAMPLES = 5;
const MIB = 1024 * 1024;

function list(name: string, items: readonly string[]): string[] {
  const shown = items.slice(0, EXAMPLES).map((item) => `    ${item}`);
  const more = items.length > EXAMPLES ? [`    and ${items.length - EXAMPLES} more`] : [];
  return [`  ${name.padEnd(16)}${items.length}`, ...shown, ...more];
}

function row(name: string, episodes: readonly Episode[]): string {
  const cells = [
    spread(episodes.flatMap(({ confirms }) => confirms)),
    spread(episodes.flatMap(({ deliveries }) => deliveries)),
  ].map(({ count, p50, p99, max }) =>
    count === 0 ? "-".padStart(22) : `${p50} / ${p99} / ${max}`.padStart(22)
  );
  const down = Math.max(0, ...episodes.map(({ startedAt, healedAt }) => healedAt - startedAt));
  const seconds = (down / 1_000).toFixed(1).padStart(8);
  return `  ${name.padEnd(34)}${String(episodes.length).padStart(4)}${seconds}${cells.join("")}`;
}

/** The episodes by which recovery is judged: every connection was lost, and only a new one had to be made. */
export function judged(episodes: readonly Episode[]): Episode[] {
  return episodes.filter(({ fault }) => fault.kind === "link");
}

function recovery(episodes: readonly Episode[]): string[] {
  const names = [...new Set(episodes.map(({ fault }) => fault.name))].sort();
  return [
    "How often, for how many seconds at most until the broker or the network was well again, and from then the " +
    "milliseconds to the first confirm and the first delivery of each program and queue:",
    `  ${"fault".padEnd(34)}${"n".padStart(4)}${"longest".padStart(8)}${
      "confirm 50/99/max".padStart(22)
    }${"delivery 50/99/max".padStart(22)}`,
    ...names.map((name) => row(name, episodes.filter(({ fault }) => fault.name === name))),
    row("all that cut connections", judged(episodes)),
    row("all that connections may outlive", episodes.filter(({ fault }) => fault.kind === "pause")),
  ];
}

function noticed(episodes: readonly Episode[]): string[] {
  const { count, p50, max } = spread(episodes.flatMap((episode) => episode.noticed));
  if (count === 0) return [];
  const told = `${p50} ms, ${max} ms at most (the heartbeat is ${HEARTBEAT_SECONDS * 1_000} ms)`;
  return [`A connection that was dead without a word was replaced after ${told}.`];
}

/** The report on a soak. */
export function report({ verdict, dropped, episodes, memory, ...rest }: Findings): string {
  const { options, brokerVersion, seconds } = rest;
  const rejected = Object.entries(verdict.rejected).map(([why, count]) => `${why}: ${count}`);
  const held = charges(verdict);
  return [
    "",
    `${options.client} on RabbitMQ ${brokerVersion} (${options.kind}), seed ${options.seed}: ` +
    `${Math.round(seconds)} s, ${episodes.length} faults`,
    `  attempts        ${verdict.attempts}`,
    `  acknowledged    ${verdict.acknowledged}`,
    `  rejected        ${Object.values(verdict.rejected).reduce((a, b) => a + b, 0)}` +
    (rejected.length === 0 ? "" : ` (${rejected.join(", ")})`),
    `  indeterminate   ${verdict.indeterminate}`,
    ...list("lost", verdict.lost),
    ...(dropped === 0 ? [] : [
      `  dropped         ${dropped} by the queues themselves: no dead-letter exchange took them`,
    ]),
    `  duplicated      ${verdict.duplicated} (${verdict.redelivered} delivered again, as their ` +
    `acknowledgement was lost; ${verdict.resent} sent again, as their confirm was lost)`,
    `  recovered       ${verdict.recovered}`,
    ...list("unexpected", verdict.unexpected),
    ...list("corrupt", verdict.corrupt),
    ...list("hung", verdict.hung),
    ...list("uncaught", verdict.uncaught),
    ...list("misacknowledged", verdict.misacknowledged),
    `  tasks           ${verdict.tasks}, of which ${verdict.threw} threw as they were to`,
    ...(options.limited ? [`  dead-lettered   ${verdict.dead}`] : []),
    `  settled late    ${verdict.late} (their call said so)`,
    "",
    ...recovery(episodes),
    ...noticed(episodes),
    "",
    "Memory (RSS, MiB: median of the first half, of the second, largest):",
    ...memory.map(({ program, first, second, max }) =>
      `  ${program.padEnd(16)}${[first, second, max].map((x) => (x / MIB).toFixed(0)).join(" / ")}`
    ),
    "",
    held.length === 0
      ? "Nothing lost, unexpected, corrupt, hung, uncaught or misacknowledged."
      : `FAILED: ${held.join(", ")}`,
  ].join("\n");
}

/** The table that sets clients against one another, in Markdown. */
export function comparison(all: readonly Findings[]): string {
  const times = (numbers: readonly number[]) => {
    const { p50, p99, max } = spread(numbers);
    return `${p50} / ${p99} / ${max}`;
  };
  const columns: Record<string, (findings: Findings) => string | number> = {
    "client": ({ options }) => options.client,
    "faults": ({ episodes }) => episodes.length,
    "attempts": ({ verdict }) => verdict.attempts,
    "acknowledged": ({ verdict }) => verdict.acknowledged,
    "rejected": ({ verdict }) => Object.values(verdict.rejected).reduce((a, b) => a + b, 0),
    "lost": ({ verdict }) => verdict.lost.length,
    "duplicated": ({ verdict }) => verdict.duplicated,
    "hung": ({ verdict }) => verdict.hung.length,
    "uncaught": ({ verdict }) => verdict.uncaught.length,
    "misacknowledged": ({ verdict }) => verdict.misacknowledged.length,
    "ms to confirm, p50 / p99 / max": ({ episodes }) =>
      times(judged(episodes).flatMap(({ confirms }) => confirms)),
    "ms to delivery, p50 / p99 / max": ({ episodes }) =>
      times(judged(episodes).flatMap(({ deliveries }) => deliveries)),
  };
  const heads = Object.keys(columns);
  const rows = all.map((findings) => Object.values(columns).map((cell) => `${cell(findings)}`));
  const lines = [heads, heads.map(() => "---"), ...rows];
  return `\n${lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n")}`;
}
