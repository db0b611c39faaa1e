import { assertEquals } from "@std/assert";
import type { Buffer } from "node:buffer";
import { Readable } from "node:stream";
import { Intake } from "../../src/amqp/intake.ts";

/** A socket that reads into an intake, and what that hands to whom, in order. */
function socketForTest() {
  const intake = new Intake();
  const stream = new Readable({ read() {} });
  const told: string[] = [];
  const memory = intake.onread.buffer;
  return {
    intake,
    told,
    memory,
    /** As `node:net` does when something has come. */
    receive(text: string): void {
      memory.set(new TextEncoder().encode(text));
      assertEquals(intake.onread.callback.call(stream, text.length, memory), true);
    },
    /** As amqplib does. */
    readStream(): void {
      let text = "";
      for (let bytes; (bytes = stream.read()) !== null;) text += bytes;
      if (text !== "") told.push(`stream: ${text}`);
    },
    divert: () => intake.divert((bytes) => void told.push(`taken: ${bytes}`)),
  };
}

Deno.test("Intake hands a copy of what was read to the stream, until it is diverted", () => {
  const { told, receive, readStream, divert } = socketForTest();
  receive("one");
  receive("two");
  readStream();
  divert();
  receive("three");
  receive("four");
  readStream();
  assertEquals(told, ["stream: onetwo", "taken: three", "taken: four"]);
});

Deno.test("Intake.divert overtakes nothing that the stream still holds", () => {
  const { told, receive, readStream, divert } = socketForTest();
  receive("one");
  divert();
  receive("two");
  readStream();
  receive("three");
  assertEquals(told, ["stream: onetwo", "taken: three"]);
});

Deno.test("Intake lends its own memory, and copies nothing", () => {
  const { intake, memory, receive } = socketForTest();
  let lent: Buffer | undefined;
  intake.divert((bytes) => lent = bytes);
  receive("one");
  assertEquals([lent?.buffer, lent?.byteOffset], [memory.buffer, memory.byteOffset]);
});
