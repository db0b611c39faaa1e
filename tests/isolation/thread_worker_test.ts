import { assertEquals } from "@std/assert";
import { ThreadWorker } from "../../src/isolation/thread_worker.ts";
import { dataModule, wireMessage } from "../support/task_processes.ts";

Deno.test("ThreadWorker hands over the memory of a body, and copies a body that shares it with others", async () => {
  const worker = new ThreadWorker(dataModule(`
    export default defineTask(({ body }) => {
      const { byteLength } = body.buffer;
      if (byteLength !== body.length) throw new Error("it holds " + byteLength + " bytes");
      return body.every((byte) => byte === 1) ? MessageStatus.SUCCESS : MessageStatus.FAIL_RETRY_LATER;
    });`));
  await worker.ready;
  const memory = new Uint8Array(300_000);
  const shared = memory.subarray(100, 200_100).fill(1);
  const own = new Uint8Array(200_000).fill(1);
  const none = new Uint8Array();
  for (const body of [shared, own, none]) {
    assertEquals(await worker.run(wireMessage({ body })), { kind: "ack" });
  }
  assertEquals([shared.length, memory.length], [200_000, 300_000]);
  // What was handed over is not there any more.
  assertEquals(own.length, 0);
  await worker.end();
});
