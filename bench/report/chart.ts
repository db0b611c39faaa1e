/** The results as a picture: bars for each workload, the rate to the left and the cost to the right. */

import {
  contestantsOf,
  type Figure,
  figureOf,
  find,
  type Results,
  workloadsOf,
} from "../results.ts";
import type { Spread } from "../statistics.ts";
import type { Workload } from "../workload.ts";
import { short } from "./format.ts";

const WIDTH = 960;
const MARGIN = 24;
const NAMES_WIDTH = 170;
const VALUE_WIDTH = 60;
const GAP = 24;
const BAR = 11;
const ROW = 17;
const TITLE = 34;
const HEAD = 64;
const PANEL = (WIDTH - 2 * MARGIN - NAMES_WIDTH - GAP) / 2;

/** Colours of a middle brightness, which are seen on white as well as on black. */
const STYLE = `
  text { font: 12px system-ui, Helvetica, Arial, sans-serif; fill: #57606a; }
  .title { font-weight: 600; font-size: 13px; }
  .head { font-weight: 600; font-size: 13px; }
  .value { font-size: 11px; }
  .lapinmq { fill: #e8702a; }
  .limit { fill: none; stroke: #8b949e; stroke-dasharray: 3 2; }
  .peer { fill: #6e8fb5; }
  .range { stroke: #57606a; stroke-width: 1; }
  @media (prefers-color-scheme: dark) { text { fill: #adbac7; } .range { stroke: #cdd9e5; } }
`;

interface Panel {
  readonly figure: Figure;
  readonly head: string;
  readonly x: number;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

function textAt(x: number, y: number, text: string, className = "", anchor = "start"): string {
  const style = className === "" ? "" : ` class="${className}"`;
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}"${style} text-anchor="${anchor}">${
    escape(text)
  }</text>`;
}

function kindOf(contestant: string): string {
  return contestant === "lapinmq" || contestant === "limit" ? contestant : "peer";
}

function bar(x: number, y: number, scale: number, contestant: string, found: Spread): string[] {
  const end = x + found.median * scale;
  const middle = y + BAR / 2;
  const range = found.min === found.max ? [] : [
    `<line class="range" x1="${(x + found.min * scale).toFixed(1)}" y1="${middle}" x2="${
      (x + found.max * scale).toFixed(1)
    }" y2="${middle}"/>`,
  ];
  return [
    `<rect class="${kindOf(contestant)}" x="${x}" y="${y}" width="${
      (end - x).toFixed(1)
    }" height="${BAR}"/>`,
    ...range,
    textAt(
      x + Math.max(found.median, found.max) * scale + 6,
      y + BAR - 1,
      short(found.median),
      "value",
    ),
  ];
}

function group(results: Results, workload: Workload, panels: readonly Panel[], top: number) {
  const contestants = contestantsOf(results).filter((name) => find(results, workload.name, name));
  const parts = [textAt(MARGIN, top + 20, workload.title, "title")];
  for (const { figure, x } of panels) {
    const found = contestants.map((name) => figureOf(find(results, workload.name, name), figure));
    const scale = (PANEL - VALUE_WIDTH) / Math.max(...found.map((one) => one?.max ?? 0));
    found.forEach((one, index) => {
      if (one) parts.push(...bar(x, top + TITLE + index * ROW, scale, contestants[index], one));
    });
  }
  contestants.forEach((name, index) =>
    parts.push(
      textAt(MARGIN + NAMES_WIDTH - 10, top + TITLE + index * ROW + BAR - 1, name, "", "end"),
    )
  );
  return { parts, height: TITLE + contestants.length * ROW + 8 };
}

/** The workloads of quick runs are those that matter most; where none of them was measured, all are shown. */
function shownIn(results: Results): Workload[] {
  const all = workloadsOf(results).filter(({ kind }) => kind !== "memory" && kind !== "scale");
  const main = all.filter(({ quick }) => quick !== undefined);
  return main.length > 0 ? main : all;
}

/** The results as an SVG image. */
export function chart(results: Results): string {
  const left = MARGIN + NAMES_WIDTH;
  const panels: Panel[] = [
    { figure: "rate", head: "messages per second: longer is better", x: left },
    {
      figure: "cpuMicros",
      head: "client CPU, µs per message: shorter is better",
      x: left + PANEL + GAP,
    },
  ];
  const latency: Panel[] = [
    { ...panels[0], figure: "p50" },
    { ...panels[1], figure: "p99" },
  ];
  const parts = panels.map(({ head, x }) => textAt(x, 40, head, "head"));
  let top = HEAD;
  for (const workload of shownIn(results)) {
    const isLatency = workload.kind === "latency";
    const title = isLatency
      ? `${workload.title}: p50 and p99 in ms, shorter is better`
      : workload.title;
    const drawn = group(results, { ...workload, title }, isLatency ? latency : panels, top);
    parts.push(...drawn.parts);
    top += drawn.height;
  }
  const foot =
    `${results.broker}, Deno ${results.deno}, ${results.system}; medians, least and greatest`;
  parts.push(textAt(MARGIN, top + 16, foot, "value"));
  const height = top + 32;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img">`,
    `<style>${STYLE}</style>`,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}
