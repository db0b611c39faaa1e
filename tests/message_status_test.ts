import { assert, assertEquals } from "@std/assert";
import { MessageDecodeError } from "../src/errors.ts";
import { MessageStatus, outcomeOfReturn, outcomeOfThrow } from "../src/message_status.ts";

Deno.test("outcomeOfReturn knows the four statuses", () => {
  assertEquals(
    Object.values(MessageStatus).map((status) => outcomeOfReturn(status)),
    [{ kind: "ack" }, { kind: "retry" }, { kind: "reject" }, { kind: "callback" }],
  );
});

Deno.test("outcomeOfReturn retries everything else, and says what it was", () => {
  for (const value of [undefined, null, true, 0, "success", {}, [], Symbol("s"), 1n, () => {}]) {
    const outcome = outcomeOfReturn(value);
    assert(outcome.kind === "retry" && outcome.failure instanceof TypeError);
    assert(outcome.failure.message.includes("MessageStatus"), outcome.failure.message);
  }
});

Deno.test("outcomeOfThrow retries, but for a body that cannot be read", () => {
  const error = new Error("thrown");
  assertEquals(outcomeOfThrow(error), { kind: "retry", failure: error });
  assertEquals(outcomeOfThrow(new MessageDecodeError("unreadable")).kind, "reject");
});

Deno.test("outcomeOfThrow makes an error of whatever was thrown", () => {
  for (const thrown of [undefined, null, 0, "text", Symbol("s"), { a: 1 }, Object.create(null)]) {
    const outcome = outcomeOfThrow(thrown);
    assert(outcome.kind === "retry" && outcome.failure instanceof Error);
    assert(outcome.failure.cause === thrown);
  }
});
