import { assert, assertEquals, assertThrows } from "@std/assert";
import { FrameWriter } from "../../src/amqp/frame_writer.ts";
import { caseName, casesToRun, randomOfCase } from "../support/fuzz.ts";
import { RecordingSink } from "../support/recording_sink.ts";
import { nextTurn } from "../support/next_turn.ts";

const CHUNK_BYTES = 64 * 1024;

function writerForTest() {
  const sink = new RecordingSink();
  return { sink, writer: new FrameWriter(sink) };
}

/** Puts bytes the way encoders do. */
function put(writer: FrameWriter, bytes: Uint8Array): void {
  writer.reserve(bytes.length);
  writer.chunk.set(bytes, writer.end);
  writer.advance(writer.end + bytes.length);
}

const filled = (length: number, value: number) => new Uint8Array(length).fill(value);

Deno.test("FrameWriter writes all frames of a turn at once, in order, at the end of the turn", async () => {
  const { sink, writer } = writerForTest();
  for (let value = 0; value < 200; value++) {
    const bytes = Uint8Array.of(value, value);
    if (value % 2 === 0) put(writer, bytes);
    else writer.write(bytes);
  }
  assertEquals(sink.writes, []);
  await nextTurn();
  assertEquals(sink.writes, [Uint8Array.from({ length: 400 }, (_, at) => at >> 1)]);
});

Deno.test("FrameWriter writes a lone frame in the turn in which it was made", async () => {
  const { sink, writer } = writerForTest();
  for (let value = 1; value <= 3; value++) {
    put(writer, Uint8Array.of(value));
    await nextTurn();
    assertEquals(sink.bytes, Uint8Array.of(1, 2, 3).subarray(0, value));
  }
  assertEquals(sink.writes.length, 3);
});

Deno.test("FrameWriter.flush writes at once, and nothing twice", async () => {
  const { sink, writer } = writerForTest();
  writer.flush();
  put(writer, Uint8Array.of(1));
  writer.flush();
  assertEquals(sink.bytes, Uint8Array.of(1));
  put(writer, Uint8Array.of(2));
  writer.flush();
  writer.flush();
  await nextTurn();
  assertEquals(sink.writes, [Uint8Array.of(1), Uint8Array.of(2)]);
});

Deno.test("FrameWriter takes frames that are larger than its chunk, in their order", async () => {
  const { sink, writer } = writerForTest();
  for (const [length, value] of [[3, 1], [CHUNK_BYTES + 1, 2], [10 * CHUNK_BYTES, 3], [5, 4]]) {
    put(writer, filled(length, value));
  }
  await nextTurn();
  assertEquals(sink.writes.map((bytes) => [bytes.length, bytes[0], bytes.at(-1)]), [
    [3, 1, 1],
    [CHUNK_BYTES + 1, 2, 2],
    [10 * CHUNK_BYTES, 3, 3],
    [5, 4, 4],
  ]);
});

Deno.test("FrameWriter fills a chunk to the last byte before it takes another", async () => {
  const { sink, writer } = writerForTest();
  put(writer, filled(CHUNK_BYTES - 1, 1));
  put(writer, filled(1, 2));
  assertEquals(sink.writes, []);
  put(writer, filled(1, 3));
  assertEquals(sink.writes.map(({ length }) => length), [CHUNK_BYTES]);
  await nextTurn();
  assertEquals(sink.writes.map(({ length }) => length), [CHUNK_BYTES, 1]);
});

Deno.test("FrameWriter.inOnePiece corks the socket for all that is written, also where that fails", () => {
  const told: string[] = [];
  const writer = new FrameWriter({
    write: ({ length }) => told.push(`${length} bytes`),
    cork: () => told.push("cork"),
    uncork: () => told.push("uncork"),
  });
  put(writer, filled(5, 0));
  writer.inOnePiece(() => {
    put(writer, filled(7, 1));
    writer.writeThrough(filled(100, 2));
    put(writer, filled(1, 3));
  });
  assertEquals(told, ["cork", "12 bytes", "100 bytes", "1 bytes", "uncork"]);
  assertThrows(() =>
    writer.inOnePiece(() => {
      throw new Error("no");
    })
  );
  assertEquals(told.slice(5), ["cork", "uncork"]);
});

Deno.test("FrameWriter.reserve alone writes nothing new, and loses nothing", async () => {
  const { sink, writer } = writerForTest();
  put(writer, Uint8Array.of(1));
  writer.reserve(2 * CHUNK_BYTES);
  writer.chunk.fill(9, writer.end);
  await nextTurn();
  put(writer, Uint8Array.of(2));
  await nextTurn();
  assertEquals(sink.bytes, Uint8Array.of(1, 2));
});

Deno.test("FrameWriter writes nothing to a socket that takes nothing any more", async () => {
  const { sink, writer } = writerForTest();
  put(writer, Uint8Array.of(1));
  sink.writable = false;
  await nextTurn();
  put(writer, filled(2 * CHUNK_BYTES, 2));
  writer.flush();
  assertEquals(sink.writes, []);
});

Deno.test("FrameWriter writes to a socket that does not say whether it takes anything", () => {
  const writes: number[] = [];
  const writer = new FrameWriter({ write: ({ length }) => writes.push(length) });
  put(writer, Uint8Array.of(1, 2));
  writer.flush();
  assertEquals(writes, [2]);
});

Deno.test("FrameWriter changes nothing that it has handed over, and keeps every byte (fuzz)", async () => {
  for (const index of casesToRun(50)) {
    const random = randomOfCase(index);
    const { sink, writer } = writerForTest();
    const expected: Uint8Array[] = [];
    const copies: Uint8Array[] = [];
    sink.write = (bytes) => {
      sink.writes.push(bytes);
      copies.push(Uint8Array.from(bytes));
    };
    for (let step = 0; step < 60; step++) {
      const length = random.pick([1, 21, 300, random.below(70_000), random.below(200_000)]);
      const bytes = filled(length, random.below(256));
      expected.push(bytes);
      if (random.chance(0.5)) put(writer, bytes);
      else writer.write(bytes);
      if (random.chance(0.2)) {
        // An encoder that fails has left its traces behind the end.
        writer.reserve(50);
        writer.chunk.fill(random.below(256), writer.end, writer.end + 50);
      }
      if (random.chance(0.2)) await nextTurn();
    }
    writer.flush();
    const isSame = (one: Uint8Array, other: Uint8Array) =>
      one.length === other.length && one.every((byte, at) => byte === other[at]);
    assert(copies.every((copy, at) => isSame(copy, sink.writes[at])), caseName(index));
    assert(isSame(concat(sink.writes), concat(expected)), caseName(index));
  }
});

Deno.test("FrameWriter uses memory again that the socket needs no more, and none before (fuzz)", async () => {
  const memories = new Set<ArrayBufferLike>();
  const random = randomOfCase(1);
  const open: { bytes: Uint8Array; copy: Uint8Array; done: () => void }[] = [];
  const writer = new FrameWriter({
    write: (bytes, done) => {
      memories.add(bytes.buffer);
      open.push({ bytes, copy: Uint8Array.from(bytes), done: () => done?.() });
    },
  });
  const release = (count: number) => {
    for (const { bytes, copy, done } of open.splice(0, count)) {
      assertEquals(Uint8Array.from(bytes), copy);
      done();
    }
  };
  for (let step = 0; step < 2_000; step++) {
    put(writer, filled(1 + random.below(5_000), random.below(256)));
    if (random.chance(0.3)) writer.flush();
    if (random.chance(0.3)) await nextTurn();
    if (random.chance(0.5)) release(random.below(open.length + 1));
  }
  writer.flush();
  release(open.length);
  // Without using any again it would be about eighty.
  assert(memories.size < 20, `${memories.size} pieces of memory`);
});

Deno.test("FrameWriter leaves memory alone that a write has failed on", () => {
  const memories: ArrayBufferLike[] = [];
  const writer = new FrameWriter({
    write: ({ buffer }, done) => {
      memories.push(buffer);
      done?.(new Error("The socket is gone"));
    },
  });
  for (let count = 0; count < 3; count++) put(writer, filled(CHUNK_BYTES, count));
  writer.flush();
  assertEquals(new Set(memories).size, 3);
});

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

Deno.test("FrameWriter says that bytes are lent until the socket has written the last part of them", () => {
  const waiting: ((error?: Error) => void)[] = [];
  const writer = new FrameWriter({ write: (_bytes, done) => void (done && waiting.push(done)) });
  const [one, other] = [filled(100_000, 1), filled(100_000, 2)];
  for (const bytes of [one, other, one]) {
    writer.lend(bytes);
    writer.writeThrough(bytes.subarray(0, 50_000));
    writer.writeThrough(bytes.subarray(50_000), bytes);
  }
  const lent = () => [writer.isLent(one), writer.isLent(other)];
  assertEquals([lent(), waiting.length], [[true, true], 3]);
  waiting[0]();
  assertEquals(lent(), [true, true]); // It was written twice.
  waiting[2]();
  assertEquals(lent(), [false, true]);
  waiting[1](new Error("The socket was closed"));
  assertEquals(lent(), [false, true]);
});

Deno.test("FrameWriter does not say that bytes came back that no socket took", () => {
  const writer = new FrameWriter({ write: () => {}, writable: false });
  const bytes = filled(100_000, 1);
  writer.lend(bytes);
  writer.writeThrough(bytes, bytes);
  assertEquals(writer.isLent(bytes), true);
});
