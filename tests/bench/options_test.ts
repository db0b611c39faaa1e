import { assertEquals, assertThrows } from "@std/assert";
import { BASELINE, CONTESTANTS } from "../../bench/contestant.ts";
import { readBenchOptions } from "../../bench/options.ts";
import { amountOf, chooseWorkloads, takesPart, WORKLOADS } from "../../bench/workloads.ts";

Deno.test("readBenchOptions has five rounds of everybody, and one in a quick run", () => {
  const options = readBenchOptions([], "out");
  assertEquals([options.rounds, options.contestants, options.out], [5, CONTESTANTS, "out"]);
  assertEquals(readBenchOptions(["--quick"], "out").rounds, 1);
});

Deno.test("readBenchOptions takes lists, and another build beside the contestants", () => {
  const options = readBenchOptions(
    ["--only=publish,consume", "--contestants=lapinmq,limit", "--against=/before", "--rounds=3"],
    "out",
  );
  assertEquals(options.only, ["publish", "consume"]);
  assertEquals(options.contestants, ["lapinmq", "limit", BASELINE]);
  assertEquals([options.against, options.rounds], ["/before", 3]);
});

Deno.test("readBenchOptions sets a build against another without the other contestants", () => {
  assertEquals(readBenchOptions(["--against=/before"], "out").contestants, ["lapinmq", BASELINE]);
});

Deno.test("readBenchOptions refuses what is not there", () => {
  for (
    const flag of [
      "--fast",
      "--broker=5",
      "--contestants=pika",
      "--rounds=0",
      "publish",
      "--against",
    ]
  ) {
    assertThrows(() => readBenchOptions([flag], "out"), Error, flag);
  }
});

Deno.test("chooseWorkloads takes names, or what they begin with", () => {
  const names = (only: string[]) => chooseWorkloads(only, true).map(({ name }) => name);
  assertEquals(names(["publish"]), ["publish"]);
  assertEquals(names(["scale"]), ["scale-1", "scale-10", "scale-100", "scale-1000"]);
  assertEquals(names(["memory"]), ["memory"]);
  assertEquals(names(["memory-"]), ["memory-publish", "memory-consume"]);
  assertThrows(() => names(["produce"]), Error, "--only=produce");
  assertEquals(
    chooseWorkloads([], false),
    WORKLOADS.filter(({ name }) => !name.startsWith("tls-")),
  );
  assertEquals(names(["tls"]), ["tls-publish", "tls-consume"]);
});

Deno.test("another build takes part wherever lapinmq does", () => {
  const [memory, publish] = chooseWorkloads(["memory", "publish"], true);
  const names = ["lapinmq", "amqplib", "limit", BASELINE];
  assertEquals(names.map((name) => takesPart(memory, name)), [true, true, false, true]);
  assertEquals(names.map((name) => takesPart(publish, name)), [true, true, true, true]);
});

Deno.test("a quick run has fewer messages of every workload", () => {
  for (const workload of WORKLOADS) {
    const [quick, full] = [amountOf(workload, true), amountOf(workload, false)];
    assertEquals(quick.messages < full.messages && quick.warmUp < full.warmUp, true, workload.name);
  }
});
