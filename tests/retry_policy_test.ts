import { assertEquals } from "@std/assert";
import type { Delivery, FieldValue } from "../src/amqp/driver.ts";
import { MessageDecodeError } from "../src/errors.ts";
import { deliveryCount, RetryPolicy } from "../src/retry_policy.ts";
import { deliveryForTest } from "./support/scripted_driver.ts";

Deno.test("deliveryCount is what the broker tells, if it does", () => {
  assertEquals(deliveryCount(deliveryForTest()), undefined);
  const counted = (count: FieldValue, redelivered = true) =>
    deliveryCount(deliveryForTest({ headers: { "x-delivery-count": count }, redelivered }));
  assertEquals([counted(3), counted(0)], [3, 0]);
  for (const count of ["3", -1, 1.5, NaN, null, 2 ** 60]) assertEquals(counted(count), undefined);
  // The first time the sender has written it.
  assertEquals(counted(3, false), undefined);
});

Deno.test("RetryPolicy doubles the delay with each delivery that the broker counts", () => {
  for (const messageId of ["a", undefined]) {
    const policy = new RetryPolicy(1_000);
    const delays = [0, 1, 2, 4, 5, 19].map((count) =>
      policy.nextDelay(deliveryForTest({
        headers: count === 0 ? {} : { "x-delivery-count": count },
        redelivered: count > 0,
        properties: { messageId },
      }))
    );
    // Others have failed with it between the third and the fourth.
    assertEquals(delays, [1_000, 2_000, 4_000, 16_000, 30_000, 30_000]);
    // Now that the broker is known to count, it is believed of what others have failed with alone.
    const other = { headers: { "x-delivery-count": 3 }, properties: { messageId: "b" } };
    assertEquals(policy.nextDelay(deliveryForTest({ ...other, redelivered: true })), 8_000);
  }
});

Deno.test("RetryPolicy never waits less than it has counted itself, whatever the header says", () => {
  for (const forged of [-1_000, 0, 5, 1_000, "7", 1.5]) {
    const policy = new RetryPolicy(100);
    const delays = [false, true, true, true].map((redelivered) =>
      policy.nextDelay(deliveryForTest({
        headers: { "x-delivery-count": forged },
        redelivered,
        properties: { messageId: "a" },
      }))
    );
    assertEquals(delays, [100, 200, 400, 800], `header ${forged}`);
    assertEquals(policy.countOfBroker(deliveryForTest({ redelivered: true })), undefined);
  }
});

Deno.test("RetryPolicy believes the broker where it overwrites what the sender wrote", () => {
  const policy = new RetryPolicy(100);
  const delays = [1_000, 1, 2, 3].map((count, index) =>
    policy.nextDelay(deliveryForTest({
      headers: { "x-delivery-count": count },
      redelivered: index > 0,
      properties: { messageId: "a" },
    }))
  );
  assertEquals(delays, [100, 200, 400, 800]);
  assertEquals(
    policy.countOfBroker(
      deliveryForTest({ headers: { "x-delivery-count": 3 }, redelivered: true }),
    ),
    3,
  );
});

Deno.test("RetryPolicy.attempt counts from 1, and changes nothing", () => {
  const policy = new RetryPolicy(100);
  const message = (redelivered: boolean) =>
    deliveryForTest({ properties: { messageId: "a" }, redelivered });
  assertEquals([policy.attempt(message(false)), policy.attempt(message(true))], [1, 2]);
  policy.nextDelay(message(false));
  policy.nextDelay(message(true));
  assertEquals([policy.attempt(message(true)), policy.attempt(message(true))], [3, 3]);
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
      throw new MessageDecodeError("fix the sender");
    },
  });
  assertEquals(policy.nextDelay(deliveryForTest({ properties: { messageId: "a" } })), 100);
  assertEquals([policy.nextDelay(unreadable), policy.nextDelay(unreadable)], [100, 100]);
  policy.forget(unreadable);
});
