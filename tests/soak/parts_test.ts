import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { ROOT } from "../../tools/launch.ts";
import { bodies, hashOf, isIntact, isPoisoned, messageId, sizeOf } from "./bodies.ts";
import { DEAD_QUEUE, queueArguments } from "./brokers.ts";
import { faultsFor, series } from "./faults.ts";
import { randomFrom } from "../support/random.ts";
import { firstSigns, spread } from "./recovery.ts";
import { applyPatch, copyLibrary, SABOTAGES } from "./sabotage.ts";

Deno.test("randomFrom repeats its choices for the same seed, and no other", () => {
  const choices = (seed: number) => {
    const random = randomFrom(seed);
    return Array.from({ length: 20 }, () => random.between(1, 1_000));
  };

  assertEquals(choices(5), choices(5));
  assertNotEquals(choices(5), choices(6));
  assert(choices(7).every((choice) => choice >= 1 && choice <= 1_000));
});

Deno.test("series has every fault once before it repeats one", () => {
  for (const kind of ["single", "cluster"] as const) {
    const faults = faultsFor(kind);
    const endless = series(faults, randomFrom(3));
    for (let round = 0; round < 2; round++) {
      const names = faults.map(() => endless.next().value.name);
      assertEquals(names.toSorted(), faults.map(({ name }) => name).toSorted());
    }
  }
});

Deno.test("queueArguments gives the dead-letter queue no delivery limit, whatever the others have", () => {
  for (const limited of [true, false]) {
    // Never −1, which to RabbitMQ 3 means to drop whatever is given back.
    assertEquals(queueArguments(DEAD_QUEUE, { limited }), {
      "x-queue-type": "quorum",
      "x-delivery-limit": 1_000_000_000,
    });
  }
  const limited = queueArguments("soak.quorum", { limited: true });
  assertEquals(limited["x-delivery-limit"], undefined);
  assertEquals(limited["x-dead-letter-routing-key"], DEAD_QUEUE);
  const unlimited = queueArguments("soak.quorum", { limited: false });
  assertEquals(unlimited["x-delivery-limit"], 1_000_000_000);
});

Deno.test("isPoisoned is true of messages in every quorum queue, and of none in a classic one", () => {
  const poisonedOf = (queues: string[]) =>
    queues.map((queue, turn) =>
      Array.from({ length: 1_000 }, (_, sequence) => sequence)
        .filter((sequence) => sequence % queues.length === turn)
        .filter((sequence) => isPoisoned(`publisher-0.1:${sequence}:hash`, queue)).length
    );

  assertEquals(poisonedOf(["soak.quorum.1", "soak.quorum.2"]), [20, 20]);
  assertEquals(poisonedOf(["soak.classic", "soak.quorum"]), [0, 20]);
});

Deno.test("bodies are recognised by the ids that are made for them", () => {
  const make = bodies(1);
  const body = make(1_024, 3);
  const id = messageId("publisher-0.1", 3, body);

  assert(isIntact(id, body));
  assert(!isIntact(id, make(1_024, 4)));
  assert(!isIntact(id, body.subarray(1)));
  assertEquals(hashOf(make(0, 1)), hashOf(make(0, 2)));
});

Deno.test("sizeOf gives every size, the largest rarely", () => {
  const sizes = Array.from({ length: 10_000 }, (_, index) => sizeOf(index / 10_000));
  const counts = Object.groupBy(sizes, String);

  assertEquals(Object.keys(counts), ["0", "1024", "204800", "5242880"]);
  assertEquals(counts["5242880"]?.length, 10);
});

Deno.test("firstSigns finds the first sign after the fault, for the flows that have one", () => {
  const signs = [
    { at: 5, flow: "a" },
    { at: 30, flow: "a" },
    { at: 20, flow: "a" },
    { at: 40, flow: "c" },
  ];

  const found = firstSigns(signs, ["a", "b", "c"], (flow) => flow === "c" ? undefined : 10);
  assertEquals([...found], [["a", 20]]);
});

Deno.test("spread gives the middle, the last hundredth and the largest", () => {
  const numbers = Array.from({ length: 200 }, (_, index) => 200 - index);

  assertEquals(spread(numbers), { count: 200, p50: 100, p99: 198, max: 200 });
  assertEquals(spread([7]), { count: 1, p50: 7, p99: 7, max: 7 });
  assertEquals(spread([]), { count: 0, p50: 0, p99: 0, max: 0 });
});

Deno.test("copyLibrary finds the place of every sabotage in the sources of today", async () => {
  const folder = await Deno.makeTempDir({ prefix: "lapinmq-" });
  try {
    for (const sabotage of SABOTAGES) await copyLibrary(ROOT, `${folder}/${sabotage}`, sabotage);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("applyPatch fails where its place is gone, or is there twice", () => {
  const patch = { file: "src/a.ts", find: "one", replace: "two" };

  assertEquals(applyPatch("a one", patch), "a two");
  assertThrows(() => applyPatch("neither", patch), Error, "0 times");
  assertThrows(() => applyPatch("one one one", patch), Error, "3 times");
});
