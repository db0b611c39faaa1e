import { assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { BASELINE } from "../../bench/contestant.ts";
import { chart } from "../../bench/report/chart.ts";
import { consoleReport } from "../../bench/report/console.ts";
import { columns, short, spreadText } from "../../bench/report/format.ts";
import { markdownReport, withFigures } from "../../bench/report/markdown.ts";
import { measured, resultOf, runOf } from "./results_for_test.ts";

const RUN = runOf(
  resultOf("publish", "lapinmq", [measured(40_000, 5), measured(60_000, 7), measured(50_000, 6)]),
  resultOf("publish", "amqplib", [measured(30_000, 8), null], ["it <hung>"]),
  resultOf("consume", "lapinmq", [measured(9_000, 6)]),
);

Deno.test("short keeps the digits that mean something", () => {
  assertEquals(
    [0.218, 5.283, 9.999, 41.26, 99.97, 461.8, 9_832, 41_234, 123_456].map(short),
    ["0.22", "5.28", "10.0", "41.3", "100", "462", "9832", "41.2 k", "123 k"],
  );
  assertEquals(spreadText({ median: 5, min: 4, max: 6 }), "5.00 (4.00–6.00)");
  assertEquals(spreadText({ median: 5, min: 5, max: 5 }), "5.00");
});

Deno.test("columns sets all but the first column to the right", () => {
  assertEquals(columns([["a", "bb"], ["aaa", "b"]]), ["a    bb", "aaa   b"]);
});

Deno.test("consoleReport has each workload with its contestants, and what failed", () => {
  const lines = consoleReport(RUN).split("\n");
  assertEquals(lines[0], "RabbitMQ 4.3.0, Deno 2.9.0, linux x86_64, 2 processors");
  const publish = lines.indexOf("publish, window 1000, 100 B");
  assertMatch(lines[publish + 2], /^ {2}lapinmq +50\.0 k \(40\.0 k–60\.0 k\) +5\.00 +6\.00 \(/);
  assertMatch(lines[publish + 3], /^ {2}amqplib +30\.0 k .*FAILED 1 times$/);
});

Deno.test("both reports set two builds against each other, round by round", () => {
  const run = runOf(
    resultOf("publish", "lapinmq", [measured(100, 9), measured(100, 11), null]),
    resultOf("publish", BASELINE, [measured(200, 10), measured(100, 10), measured(100, 10)]),
    resultOf("consume", "lapinmq", [null]),
    resultOf("consume", BASELINE, [measured(100, 10)]),
    resultOf("pipeline", "lapinmq", [measured(100, 10)]),
  );
  const lines = consoleReport(run).split("\n");
  const at = lines.findIndex((line) => line.startsWith("lapinmq, to lapinmq before"));
  assertMatch(
    lines[at + 1],
    /^ {2}publish, window 1000, 100 B +1\.00 \(0\.90–1\.10\) +1\.00 \(0\.50–1\.00\) +1\.00 /,
  );
  assertMatch(lines[at + 2], /^ {2}consume, prefetch 250, 100 B +- +- +-$/);
  assertEquals(lines.length, at + 3);
  assertStringIncludes(
    markdownReport(run),
    "### lapinmq, to lapinmq before\n\n|  | CPU per message | messages/s | peak memory |",
  );
});

Deno.test("markdownReport has a table for each figure", () => {
  const text = markdownReport(RUN);
  assertStringIncludes(text, "medians of 3 interleaved rounds");
  assertStringIncludes(
    text,
    "### Messages per second\n\n|  | lapinmq | amqplib |\n| --- | ---: | ---: |\n" +
      "| publish, window 1000, 100 B | 50.0 k (40.0 k–60.0 k) | 30.0 k |\n" +
      "| consume, prefetch 250, 100 B | 9000 |  |",
  );
  assertStringIncludes(text, "### CPU of the client, µs per message");
  assertEquals(text.includes("### Latency"), false);
});

Deno.test("markdownReport shows the memory over the messages, program by program", () => {
  const memory = Array.from({ length: 20 }, (_, index) => (
    { messages: index, rssBytes: (index + 1) * 2 ** 20 }
  ));
  const heap = { warmBytes: 2 ** 20, endBytes: 2 ** 21 };
  const rounds = [{ ...measured(1, 1), memory, heap }];
  const text = markdownReport(runOf(
    resultOf("memory-consume", "amqplib", rounds),
    resultOf("memory", "lapinmq", rounds),
  ));
  const figures = "| 1000 | 5.0 | 10.0 | 15.0 | 20.0 | 100.0 | 1.0 | 2.0 |";
  assertStringIncludes(
    text,
    `\n| memory, consume, 100 B | amqplib ${figures}\n` +
      `| memory, publish and consume at once, 100 B | lapinmq ${figures}`,
  );
});

Deno.test("withFigures replaces what is between its two comments, again and again", () => {
  const begin = "<!-- figures: written by deno task bench --docs -->";
  const end = "<!-- end of the figures -->";
  const once = withFigures(`before\n${begin}\n${end}\nafter\n`, "one");
  assertEquals(once, `before\n${begin}\n\none\n\n${end}\nafter\n`);
  assertEquals(withFigures(once, "two"), once.replace("one", "two"));
  assertThrows(() => withFigures("no comments", "one"), Error, begin);
});

Deno.test("the page of the documentation has a place for the figures", async () => {
  const page = await Deno.readTextFile(new URL("../../docs/performance.md", import.meta.url));
  assertStringIncludes(withFigures(page, "the figures"), "the figures");
});

Deno.test("chart has a bar for each figure that there is", () => {
  const svg = chart(RUN);
  assertEquals(svg.match(/<rect class="lapinmq"/g)?.length, 4);
  assertEquals(svg.match(/<rect class="peer"/g)?.length, 2);
  assertEquals(svg.match(/<line class="range"/g)?.length, 2);
  assertEquals(/NaN|Infinity|undefined/.test(svg), false);
});
