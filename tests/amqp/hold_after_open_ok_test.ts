import net from "node:net";
import tls from "node:tls";
import { assertEquals, assertThrows } from "@std/assert";
import { holdAfterOpenOk } from "../../src/amqp/hold_after_open_ok.ts";
import { AmqpServer, method, shortstr } from "../support/amqp_server.ts";
import { eventually } from "../support/eventually.ts";

Deno.test("holdAfterOpenOk leaves node:net and node:tls as they were", async () => {
  await using server = new AmqpServer();
  const before = [net.connect, tls.connect];
  const { result: socket, release } = holdAfterOpenOk(() =>
    net.connect({ host: server.hostname, port: server.port })
  );
  assertEquals([net.connect, tls.connect], before);
  await eventually("it is connected", () => server.clients.length === 1);
  release();
  socket.destroy();
  assertThrows(() =>
    holdAfterOpenOk(() => {
      throw new Error("no");
    })
  );
  assertEquals([net.connect, tls.connect], before);
});

Deno.test("holdAfterOpenOk hands out a frame at a time, and nothing after open-ok", async () => {
  await using server = new AmqpServer(undefined, { greet: false });
  const { result: socket, release } = holdAfterOpenOk(() =>
    net.connect({ host: server.hostname, port: server.port })
  );
  await eventually("it is connected", () => server.clients.length === 1);
  let readables = 0;
  socket.on("readable", () => readables++);
  const openOk = method(0, "connection.open-ok", shortstr(""));
  const all = [...method(0, "connection.start", [1, 2, 3]), ...openOk];
  server.client.send(all, [1, 2, 3]);
  await eventually("it can be read", () => readables > 0);
  const read = () => {
    socket.read(0); // As streams do by themselves: it takes nothing.
    const bytes: Uint8Array | null = socket.read();
    return bytes === null ? [] : [...bytes];
  };
  const got: number[] = [];
  for (let bytes; (bytes = read()).length > 0;) got.push(...bytes);
  assertEquals(got, all);
  readables = 0;
  release();
  assertEquals([readables, read()], [1, [1, 2, 3]]);
  socket.destroy();
});

Deno.test("holdAfterOpenOk does nothing where no socket is asked for", () => {
  const { result, release } = holdAfterOpenOk(() => 7);
  release();
  assertEquals(result, 7);
});
