import { assertEquals } from "@std/assert";
import { Confirms } from "../../bench/limit/confirms.ts";

Deno.test("Confirms counts each message once, whatever the order and the multiples", () => {
  const confirms = new Confirms();
  confirms.confirm(1, false);
  confirms.confirm(3, false);
  assertEquals([confirms.count, confirms.low], [2, 1]);
  confirms.confirm(4, true);
  assertEquals([confirms.count, confirms.low], [4, 4]);
  confirms.confirm(6, false);
  confirms.confirm(5, false);
  assertEquals([confirms.count, confirms.low], [6, 6]);
});

Deno.test("Confirms goes on beyond the length of its ring", () => {
  const confirms = new Confirms();
  for (let tag = 1_000; tag <= 200_000; tag += 1_000) confirms.confirm(tag, true);
  confirms.confirm(200_002, false);
  confirms.confirm(200_001, false);
  assertEquals([confirms.count, confirms.low], [200_002, 200_002]);
});
