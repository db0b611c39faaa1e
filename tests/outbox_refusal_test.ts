import { assertEquals, assertInstanceOf } from "@std/assert";
import { PublisherStoppedError } from "../src/publish_errors.ts";
import { prepareMessageToQueue, type SendCallbacks } from "../src/send_options.ts";
import { eventually } from "./support/eventually.ts";
import { outboxForTest } from "./support/outbox_for_test.ts";

function refusals() {
  const made = outboxForTest();
  const message = prepareMessageToQueue({ queueName: "work", body: "" }, () => "id");
  return {
    send: (callbacks: SendCallbacks) => made.outbox.send(message, callbacks, "it is stopped"),
    [Symbol.asyncDispose]: () => made[Symbol.asyncDispose](),
  };
}

Deno.test("Outbox lets the program go on although a refused callback sends again and again", async () => {
  await using made = refusals();
  let calls = 0;
  const nackCallback = () => {
    if (++calls < 1_000) made.send({ nackCallback });
  };
  made.send({ nackCallback });
  assertEquals(calls, 1); // The one that it caused has a turn of its own.
  await eventually("other timers run between", () => calls > 1);
  await eventually("it ends when the program lets it", () => calls === 1_000);
});

Deno.test("Outbox hands what it refuses to the nackCallback, and counts the promise as handled", async () => {
  await using made = refusals();
  const called = Promise.withResolvers<Error>();
  made.send({ nackCallback: called.resolve });
  const error = await called.promise;
  assertInstanceOf(error, PublisherStoppedError);
  assertEquals(error.message.endsWith("it is stopped"), true);
});
