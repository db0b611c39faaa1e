// Where amqplib is not as the fast lane expects it, amqplib does it all: what holds with it holds
// without it, too.

import { assertEquals } from "@std/assert";
import { FastLane } from "../../src/amqp/fast_lane.ts";

const expected = FastLane.of({});
FastLane.of = () => undefined;

Deno.test("FastLane.of finds none where nothing is as expected", () => {
  assertEquals(expected, undefined);
});

await import("./amqplib_pitfalls_test.ts");
