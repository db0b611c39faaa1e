import { assertEquals } from "@std/assert";
import { verdicts } from "../../bench/goals.ts";
import { measured, resultOf, runOf } from "./results_for_test.ts";

Deno.test("verdicts compares the medians, with the least and the greatest of any round", () => {
  const found = verdicts(runOf(
    resultOf("pipeline", "lapinmq", [measured(300, 1), measured(320, 1), measured(400, 1)]),
    resultOf("pipeline", "amqplib", [measured(200, 1), measured(160, 1), measured(400, 1)]),
  ));
  assertEquals(found, [{
    what: "consume, publish, ack, 100 B: rate, to amqplib",
    goal: "≥ 1.5",
    found: "1.60 (1.00–2.00)",
    isMet: true,
  }]);
});

Deno.test("verdicts takes the best of the peers, and leaves out rounds that failed", () => {
  const found = verdicts(runOf(
    resultOf("publish", "lapinmq", [measured(100, 5), null]),
    resultOf("publish", "amqplib", [measured(50, 10), measured(50, 10)]),
    resultOf("publish", "rabbitmq-client", [measured(100, 20), measured(100, 20)]),
    resultOf("publish", "limit", [measured(1_000, 1), measured(1_000, 1)]),
  ));
  assertEquals(found.map(({ what, found, isMet }) => [what.split(": ")[1], found, isMet]), [
    ["rate, to limit", "0.10 (0.10–0.10)", false],
    ["rate, to amqplib", "2.00 (2.00–2.00)", true],
    ["rate, to the best peer (rabbitmq-client)", "1.00 (1.00–1.00)", false],
    ["CPU per message, to amqplib", "0.50 (0.50–0.50)", true],
    ["CPU per message, to the best peer (amqplib)", "0.50 (0.50–0.50)", true],
  ]);
});

Deno.test("verdicts asks more of consuming on RabbitMQ 3", () => {
  const run = runOf(
    resultOf("consume", "lapinmq", [measured(150, 1)]),
    resultOf("consume", "amqplib", [measured(100, 1)]),
  );
  const goalOn = (broker: string) =>
    verdicts({ ...run, broker }).find(({ what }) => what.endsWith("rate, to amqplib"))?.goal;
  assertEquals(goalOn("RabbitMQ 3.10.8"), "≥ 1.7");
  assertEquals(goalOn("RabbitMQ 4.3.6"), "≥ 1.2");
});

Deno.test("verdicts judges memory by what is resident and by the heap", () => {
  const rss = (mib: number) => ({ messages: 0, rssBytes: mib * 2 ** 20 });
  const memory = [rss(80), rss(90), rss(90), rss(120)];
  const heap = { warmBytes: 10 * 2 ** 20, endBytes: 10.5 * 2 ** 20 };
  const rounds = [{ ...measured(1, 1), peakBytes: 160e6, memory, heap }];
  const found = verdicts(runOf(
    resultOf("memory-publish", "lapinmq", rounds),
    resultOf("memory-publish", "amqplib", rounds),
    resultOf("memory", "lapinmq", rounds),
  ));
  assertEquals(found.map(({ what, found, isMet }) => [what, found, isMet]), [
    ["memory, publish, 100 B: resident, first and last quarter", "80.0 MiB, 120.0 MiB", false],
    [
      "memory, publish, 100 B: heap after a collection, warm and at the end",
      "10.0 MiB, 10.5 MiB",
      true,
    ],
    ["memory, publish, 100 B: peak, resident", "160 MB", false],
    [
      "memory, publish and consume at once, 100 B: resident, first and last quarter",
      "80.0 MiB, 120.0 MiB",
      false,
    ],
    [
      "memory, publish and consume at once, 100 B: heap after a collection, warm and at the end",
      "10.0 MiB, 10.5 MiB",
      true,
    ],
  ]);
});

Deno.test("verdicts judges the heap of a consumer without that of the connection", () => {
  const start = (consumers: number, bytes: number) => ({
    ...measured(1, 1),
    start: { ms: 500, heapBytesPerConsumer: bytes / consumers, connections: 1 },
  });
  const found = verdicts(runOf(
    resultOf("scale-1", "lapinmq", [start(1, 500 * 1024)]),
    resultOf("scale-1000", "lapinmq", [start(1_000, (500 + 999 * 8) * 1024)]),
  ));
  assertEquals(found.map(({ found, isMet }) => [found, isMet]), [
    ["1", true],
    ["0.50 s", true],
    ["8.0 KB", true],
    ["1.00 (1.00 → 1.00 µs)", true],
  ]);
});

Deno.test("verdicts shows how the cost of a message grows with the consumers, beside amqplib's", () => {
  const start = { ms: 500, heapBytesPerConsumer: 1, connections: 1 };
  const costs = (micros: number) => [{ ...measured(1, micros), start }];
  const found = verdicts(runOf(
    resultOf("scale-1", "lapinmq", costs(8)),
    resultOf("scale-1", "amqplib", costs(12)),
    resultOf("scale-1000", "lapinmq", costs(12)),
    resultOf("scale-1000", "amqplib", costs(15)),
  ));
  assertEquals(found.slice(-2).map(({ found, isMet }) => [found, isMet]), [
    ["1.50 (8.00 → 12.0 µs); amqplib 1.25 (12.0 → 15.0 µs)", false],
    ["0.80", true],
  ]);
});
