import { assert, assertEquals } from "@std/assert";
import type { Settlement } from "../src/amqp/driver.ts";
import { HeldDelivery } from "../src/held_delivery.ts";
import { eventually } from "./support/eventually.ts";
import { deliveryForTest } from "./support/scripted_driver.ts";

/** A delivery that is held, and how it was settled. */
function held(retryDelayMs = 0) {
  const settled: Settlement[] = [];
  const told = { waiting: 0, rejected: [] as string[], thrown: [] as unknown[] };
  const delivery = new HeldDelivery(deliveryForTest(), {
    settle: (_held, how) => {
      settled.push(how);
      return true;
    },
    retryDelay: () => retryDelayMs,
    giveBack: (held) => void held.release(),
    waits: (change) => void (told.waiting += change),
    rejected: (_held, reason) => void told.rejected.push(reason),
    listenerThrew: (error) => void told.thrown.push(error),
  });
  return { delivery, message: delivery.message, settled, told };
}

Deno.test("HeldDelivery is settled once, by whoever comes first", () => {
  const ways = [
    ["ack", "ack"],
    ["reject", "reject"],
    ["rejectRetry", "requeue"],
  ] as const;
  for (const [way, how] of ways) {
    const { message, settled, delivery } = held();
    // Detached, and with arguments that mean nothing.
    const settle = message[way] as (...args: unknown[]) => boolean;
    assertEquals(settle(new Error("ignored"), 1), true);
    assertEquals([message.ack(), message.reject(), message.rejectRetry()], [false, false, false]);
    assertEquals([delivery.release(), delivery.open], [false, false]);
    assertEquals(settled, [how]);
  }
});

Deno.test("HeldDelivery.rejectRetry waits for the delay, and nothing else settles it meanwhile", async () => {
  const { delivery, message, settled } = held(30);
  assertEquals(message.rejectRetry(), true);
  assertEquals([message.ack(), message.rejectRetry(), delivery.open], [false, false, false]);
  assertEquals(settled, []);
  await eventually("it is requeued", () => settled.length > 0);
  assertEquals(settled, ["requeue"]);
});

Deno.test("HeldDelivery.retryNow ends the delay, and does nothing without one", () => {
  const { delivery, message, settled } = held(60_000);
  delivery.retryNow();
  assertEquals(settled, []);
  message.rejectRetry();
  delivery.retryNow();
  delivery.retryNow();
  assertEquals(settled, ["requeue"]);
});

Deno.test("HeldDelivery that is lost settles nothing and aborts its signal", () => {
  const reason = new Error("the channel was lost");
  const { delivery, message, settled } = held(60_000);
  const { signal } = message;
  message.rejectRetry();
  delivery.lose(reason);
  delivery.retryNow();
  assertEquals([message.ack(), delivery.lost, settled], [false, true, []]);
  assert(signal.aborted && signal.reason === reason);
});

Deno.test("HeldDelivery aborts a signal that is asked for only later, with the first reason", () => {
  const { delivery, message } = held();
  delivery.abort(new Error("first"));
  delivery.abort(new Error("second"));
  assertEquals(message.signal.reason.message, "first");
  assert(message.signal === message.signal);
});

Deno.test("HeldDelivery that is settled does not abort when its channel is lost", () => {
  const { delivery, message } = held();
  message.ack();
  delivery.lose(new Error("lost"));
  assertEquals([message.signal.aborted, delivery.lost], [false, false]);
});

Deno.test("HeldDelivery tells how many wait for their retry, however the wait ends", () => {
  for (const end of ["retryNow", "lose"] as const) {
    const { delivery, message, told } = held(60_000);
    message.rejectRetry();
    assertEquals(told.waiting, 1);
    delivery[end](new Error("the channel was lost"));
    delivery[end](new Error("the channel was lost"));
    assertEquals(told.waiting, 0);
  }
});

Deno.test("HeldDelivery tells why it was rejected, once, and nobody where it was settled before", () => {
  const called = held();
  called.message.reject();
  called.message.reject();
  assertEquals(called.told.rejected, ["message.reject() was called"]);
  const returned = held();
  returned.delivery.reject("it is no JSON");
  assertEquals(returned.told.rejected, ["it is no JSON"]);
  const done = held();
  done.message.ack();
  done.message.reject();
  assertEquals(done.told.rejected, []);
});

Deno.test("HeldDelivery tells what listeners of its signal throw, and goes on", () => {
  const { delivery, told } = held();
  const errors = [new Error("one"), new Error("two"), new Error("three")];
  const { signal } = delivery;
  signal.addEventListener("abort", () => {
    throw errors[0];
  });
  signal.onabort = () => {
    throw errors[1];
  };
  let heard = 0;
  signal.addEventListener("abort", () => heard++);
  AbortSignal.any([signal]).addEventListener("abort", () => {
    throw errors[2];
  });
  delivery.abort(new Error("the end"));
  delivery.abort(new Error("again"));
  assertEquals([told.thrown, heard], [errors, 1]);
  assertEquals((signal.reason as Error).message, "the end");
});

Deno.test("HeldDelivery that is recalled goes back without a delay and without counting as failed", () => {
  const { delivery, message, settled } = held(60_000);
  const { signal } = message;
  const reason = new Error("the consumer stops");
  assertEquals([delivery.endReason, signal.aborted], [undefined, false]);
  delivery.recall(reason);
  assertEquals([delivery.endReason, signal.reason], [reason, reason]);
  // It is still open: whoever has finished it all the same says so.
  assertEquals(delivery.open, true);
  assertEquals([message.rejectRetry(), message.ack()], [true, false]);
  assertEquals([settled, delivery.returned], [["release"], true]);
});

Deno.test("HeldDelivery that is recalled may be acknowledged or rejected all the same", () => {
  for (const way of ["ack", "reject"] as const) {
    const { delivery, message, settled } = held();
    delivery.recall(new Error("the consumer stops"));
    assertEquals([message[way](), message.rejectRetry()], [true, false]);
    assertEquals([settled, delivery.returned], [[way], false]);
  }
});
