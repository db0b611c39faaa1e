import { assertEquals } from "@std/assert";
import type { Delivery } from "../src/amqp/driver.ts";
import { MessageDecodeError } from "../src/errors.ts";
import { deliveryCount, RetryPolicy } from "../src/retry_policy.ts";
import { deliveryForTest } from "./support/scripted_driver.ts";

Deno.test("deliveryCount is what the broker tells, if it does", () => {
  assertEquals(deliveryCount(deliveryForTest()), undefined);
  assertEquals(deliveryCount(deliveryForTest({ headers: { "x-delivery-count": 3 } })), 3);
  assertEquals(deliveryCount(deliveryForTest({ headers: { "x-delivery-count": "3" } })), undefined);
});

Deno.test("RetryPolicy doubles the delay with each delivery that the broker counts", () => {
  const policy = new RetryPolicy(1_000);
  const delays = [0, 1, 2, 4, 5, 19].map((count) =>
    policy.nextDelay(deliveryForTest({ headers: { "x-delivery-count": count } }))
  );
  assertEquals(delays, [1_000, 2_000, 4_000, 16_000, 30_000, 30_000]);
});

Deno.test("RetryPolicy counts by itself, by message id, where the broker does not", () => {
  const policy = new RetryPolicy(100);
  const message = (messageId: string, redelivered: boolean) =>
    deliveryForTest({ properties: { messageId }, redelivered });
  assertEquals(policy.nextDelay(message("a", false)), 100);
  assertEquals(policy.nextDelay(message("a", true)), 200);
  assertEquals(policy.nextDelay(message("b", false)), 100);
  assertEquals(policy.nextDelay(message("a", true)), 400);
  policy.forget(message("a", true));
  // One that comes again has failed before, here or elsewhere.
  assertEquals(policy.nextDelay(message("a", true)), 200);
});

Deno.test("RetryPolicy knows only whether it came before, of a message without an id", () => {
  const policy = new RetryPolicy(100);
  for (let round = 0; round < 3; round++) {
    assertEquals(policy.nextDelay(deliveryForTest()), 100);
    assertEquals(policy.nextDelay(deliveryForTest({ redelivered: true })), 200);
  }
  policy.forget(deliveryForTest());
});

Deno.test("RetryPolicy of 0 requeues at once, always", () => {
  const policy = new RetryPolicy(0);
  assertEquals(policy.nextDelay(deliveryForTest({ headers: { "x-delivery-count": 9 } })), 0);
});

Deno.test("RetryPolicy keeps a delay that is longer than its longest", () => {
  const policy = new RetryPolicy(60_000);
  assertEquals(policy.nextDelay(deliveryForTest({ headers: { "x-delivery-count": 9 } })), 60_000);
});

Deno.test("RetryPolicy remembers a bounded number of messages, the newest failures", () => {
  const policy = new RetryPolicy(1);
  const delay = (id: number) =>
    policy.nextDelay(deliveryForTest({ properties: { messageId: `${id}` } }));
  for (let id = 0; id < 20_000; id++) delay(id);
  assertEquals([delay(0), delay(19_999)], [1, 2]);
});

Deno.test("RetryPolicy takes a message whose properties cannot be decoded for one without an id", () => {
  const policy = new RetryPolicy(100);
  const unreadable: Delivery = Object.defineProperty(deliveryForTest(), "properties", {
    get: () => {
      throw new MessageDecodeError("mend the sender");
    },
  });
  assertEquals(policy.nextDelay(deliveryForTest({ properties: { messageId: "a" } })), 100);
  assertEquals([policy.nextDelay(unreadable), policy.nextDelay(unreadable)], [100, 100]);
  policy.forget(unreadable);
});
