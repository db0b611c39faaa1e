import { assert, assertEquals } from "@std/assert";
import { ConfirmWindow, type Send } from "../src/confirm_window.ts";
import type { Linked } from "../src/linked_list.ts";

interface TestSend extends Send, Linked<TestSend> {}

function send(sequence: number, options: Partial<Send> = {}): TestSend {
  return {
    message: {
      exchange: "",
      routingKey: "work",
      body: new Uint8Array(),
      properties: {},
      headers: undefined,
      mandatory: true,
    },
    messageId: `id-${sequence}`,
    bytes: 10,
    sequence,
    expiresByItself: false,
    deadline: sequence,
    settled: false,
    written: false,
    rewritten: false,
    returned: undefined,
    previous: undefined,
    next: undefined,
    ...options,
  };
}

/** A window with so many sends, the first of which are written under the tags from 1 on. */
function windowOf(size: number, written = 0) {
  const window = new ConfirmWindow<TestSend>();
  const sends = Array.from({ length: size }, (_, index) => send(index + 1));
  for (const send of sends) window.add(send);
  for (let tag = 1; tag <= written; tag++) {
    window.next();
    window.written();
  }
  return { window, sends };
}

const numbers = (sends: Iterable<Send>) => [...sends].map(({ sequence }) => sequence);

const returnOf = (messageId: string, routingKey = "work") => ({
  exchange: "",
  routingKey,
  messageId,
  replyText: "NO_ROUTE",
});

Deno.test("ConfirmWindow counts what is open, in flight, and its bytes", () => {
  const { window, sends } = windowOf(3, 2);
  assertEquals([window.size, window.inFlight, window.bytes], [3, 2, 30]);
  assertEquals(numbers(window.confirm(1, false)), [1]);
  assertEquals([window.size, window.inFlight], [3, 1]);
  assertEquals([window.settle(sends[0]), window.settle(sends[0])], [true, false]);
  assertEquals([window.size, window.bytes, numbers(window.open)], [2, 20, [2, 3]]);
});

Deno.test("ConfirmWindow.isOverdue tells at once when nobody waits for what is in flight", () => {
  let looks = 0;
  const window = new ConfirmWindow<TestSend>();
  const sends = Array.from({ length: 1_000 }, (_, index) => {
    let settled = false;
    return Object.defineProperty(send(index + 1), "settled", {
      get: () => {
        looks++;
        return settled;
      },
      set: (value: boolean) => settled = value,
    });
  });
  for (const send of sends) window.add(send);
  for (let tag = 1; tag < sends.length; tag++) window.written();
  const overdue = sends.map((send) => {
    window.settle(send);
    return window.isOverdue;
  });
  // The last one waits to be written.
  assertEquals([overdue.indexOf(true), overdue.at(-1)], [998, true]);
  assert(looks < 10 * sends.length, `${looks} looks at ${sends.length} sends`);
});

Deno.test("ConfirmWindow.next names the oldest until it was written", () => {
  const { window } = windowOf(2);
  assertEquals([window.next()?.sequence, window.next()?.sequence], [1, 1]);
  window.written();
  assertEquals(window.next()?.sequence, 2);
  window.written();
  assertEquals(window.next(), undefined);
});

Deno.test("ConfirmWindow.confirm takes out one, or all up to a tag, and each but once", () => {
  const { window } = windowOf(5, 5);
  assertEquals(numbers(window.confirm(3, false)), [3]);
  assertEquals(numbers(window.confirm(4, true)), [1, 2, 4]);
  assertEquals(numbers(window.confirm(4, true)), []);
  assertEquals(numbers(window.confirm(3, false)), []);
  assertEquals(numbers(window.confirm(99, false)), []);
  assertEquals(numbers(window.confirm(99, true)), [5]);
});

Deno.test("ConfirmWindow leaves out what is settled, but keeps its place until the confirm", () => {
  const { window, sends } = windowOf(3, 2);
  window.settle(sends[0]);
  assertEquals([window.inFlight, window.size], [2, 2]);
  assertEquals(numbers(window.confirm(2, true)), [2]);
  window.settle(sends[2]);
  assertEquals([window.next(), window.inFlight], [undefined, 0]);
});

Deno.test("ConfirmWindow.recall puts what was in flight before what waits, but for the settled", () => {
  const { window, sends } = windowOf(5, 4);
  window.confirm(2, false);
  window.settle(sends[1]);
  window.settle(sends[2]);
  window.markReturned(returnOf("id-1"));
  assertEquals(numbers(window.recall()), [1, 4]);
  assertEquals([window.inFlight, sends[0].returned], [0, undefined]);
  const order: number[] = [];
  for (let tag = 1, next; (next = window.next()) !== undefined; tag++) {
    order.push(next.sequence);
    window.written();
  }
  assertEquals(order, [1, 4, 5]);
});

Deno.test("ConfirmWindow.markReturned marks the oldest that fits and was not returned yet", () => {
  const window = new ConfirmWindow<TestSend>();
  const same = { messageId: "same" };
  const sends = [send(1, same), send(2, same), send(3)];
  for (const one of sends) {
    window.add(one);
    window.next();
    window.written();
  }
  window.markReturned(returnOf("same"));
  assertEquals(sends.map(({ returned }) => returned), ["NO_ROUTE", undefined, undefined]);
  window.markReturned(returnOf("same"));
  window.markReturned(returnOf("same"));
  window.markReturned(returnOf("id-3", "other"));
  window.markReturned(returnOf("unknown"));
  assertEquals(sends.map(({ returned }) => returned), ["NO_ROUTE", "NO_ROUTE", undefined]);
});

Deno.test("ConfirmWindow.clear forgets what waits and what is in flight", () => {
  const { window } = windowOf(3, 2);
  window.clear();
  assertEquals([window.inFlight, window.next()], [0, undefined]);
});

Deno.test("ConfirmWindow counts the bytes in flight until their confirm, whoever still waits", () => {
  const { window, sends } = windowOf(5, 4);
  assertEquals(window.inFlightBytes, 40);
  window.settle(sends[0]);
  assertEquals([window.inFlightBytes, window.bytes], [40, 40]);
  window.confirm(1, false);
  window.confirm(1, false);
  assertEquals(window.inFlightBytes, 30);
  window.confirm(3, true);
  assertEquals(window.inFlightBytes, 10);
  window.recall();
  assertEquals(window.inFlightBytes, 0);
});

Deno.test("ConfirmWindow.oldest is the first that is open, in flight or not", () => {
  const { window, sends } = windowOf(3, 1);
  for (const send of sends) {
    assertEquals(window.oldest, send);
    window.settle(send);
  }
  assertEquals(window.oldest, undefined);
});

Deno.test("ConfirmWindow.isOverdue where nobody waits for any that is in flight", () => {
  const { window, sends } = windowOf(3, 2);
  assertEquals(window.isOverdue, false);
  window.settle(sends[0]);
  assertEquals(window.isOverdue, false);
  window.settle(sends[1]);
  assertEquals(window.isOverdue, true);
  window.next();
  window.written();
  assertEquals(window.isOverdue, false);
});

Deno.test("ConfirmWindow begins with tag 1 again after recall and clear", () => {
  for (const how of ["recall", "clear"] as const) {
    const { window } = windowOf(3, 2);
    window.confirm(1, false);
    window[how]();
    const fresh = send(9);
    window.add(fresh);
    for (let next; (next = window.next()) !== undefined;) {
      window.written();
      if (next === fresh) break;
    }
    const tag = window.inFlight;
    assertEquals(numbers(window.confirm(tag, false)), [9]);
    assertEquals(numbers(window.confirm(tag + 1, false)), []);
  }
});

Deno.test("ConfirmWindow forgets a send that is settled while it waits to be written", () => {
  const { window, sends } = windowOf(3, 1);
  window.settle(sends[1]);
  assertEquals([numbers(window.open), window.next()?.sequence], [[1, 3], 3]);
  assertEquals(numbers(window.recall()), [1]);
  assertEquals(window.next()?.sequence, 1);
});
