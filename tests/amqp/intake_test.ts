import { assertEquals } from "@std/assert";
import type { Buffer } from "node:buffer";
import net from "node:net";
import { Readable } from "node:stream";
import { Intake } from "../../src/amqp/intake.ts";
import { LIBRARY, runProgram } from "../support/small_programs.ts";

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

Deno.test("Intake knows its socket where a runtime does not say whose callback it calls", () => {
  const intake = new Intake();
  const told: string[] = [];
  intake.socket = new Readable({ read() {} });
  const { callback, buffer } = intake.onread;
  const receive = (text: string) => {
    buffer.set(new TextEncoder().encode(text));
    assertEquals(callback.call(undefined, text.length, buffer), true);
  };
  receive("one");
  intake.divert((bytes) => void told.push(`taken: ${bytes}`));
  told.push(`stream: ${intake.socket.read()}`);
  receive("two");
  assertEquals(told, ["stream: one", "taken: two"]);
});

/** Another copy of the module, which has not asked the runtime yet. */
async function freshIntake(name: string): Promise<typeof Intake> {
  return (await import(`../../src/amqp/intake.ts?${name}`)).Intake;
}

Deno.test("Intake.isPossible asks the runtime once, and leaves nothing open", async () => {
  const { connect } = net.Socket.prototype;
  const sockets: net.Socket[] = [];
  net.Socket.prototype.connect = function (this: net.Socket, ...args: never[]) {
    sockets.push(this);
    return Reflect.apply(connect, this, args);
  } as typeof connect;
  try {
    const fresh = await freshIntake("once");
    assertEquals([fresh.isPossible(), fresh.isPossible()], [true, true]);
  } finally {
    net.Socket.prototype.connect = connect;
  }
  assertEquals(sockets.map(({ destroyed }) => destroyed), [true]);
});

Deno.test("Intake.isPossible is false where a socket throws as it is told to read into it", async () => {
  const { connect } = net.Socket.prototype;
  let attempts = 0;
  net.Socket.prototype.connect = () => {
    attempts++;
    throw new Error("Not implemented: useUserBuffer");
  };
  try {
    const fresh = await freshIntake("throws");
    assertEquals([fresh.isPossible(), fresh.isPossible(), attempts], [false, false, 1]);
  } finally {
    net.Socket.prototype.connect = connect;
  }
});

Deno.test("Intake.isPossible needs no permission, and does not keep the program alive", async () => {
  const source = `import { Intake } from "${LIBRARY}/src/amqp/intake.ts";
    console.log(Intake.isPossible());`;
  assertEquals(await runProgram(source, []), { code: 0, stdout: "true\n", stderr: "" });
});
