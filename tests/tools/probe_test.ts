import { assertEquals, assertRejects } from "@std/assert";
import { greet, greetIfThere } from "../../tools/broker/probe.ts";

/** A server that says something and then waits. */
async function withServer(says: string, test: (port: number) => Promise<void>): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepting = (async () => {
    using connection = await listener.accept();
    await connection.write(new TextEncoder().encode(says));
    while (await connection.read(new Uint8Array(64)).catch(() => null) !== null);
  })();
  try {
    await test(listener.addr.port);
    await accepting;
  } finally {
    listener.close();
  }
}

Deno.test("greet refuses a server that speaks something else", () =>
  withServer("HTTP/1.1 400 Bad Request\r\n", async (port) => {
    await assertRejects(() => greet({ hostname: "127.0.0.1", port }), Error, "not AMQP");
  }));

Deno.test("greet gives up on a port that is open and silent", () =>
  withServer("", async (port) => {
    assertEquals(await greetIfThere({ hostname: "127.0.0.1", port }, { timeoutMs: 50 }), undefined);
  }));
