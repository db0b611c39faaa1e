import { assert, assertEquals } from "@std/assert";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { eventually } from "../support/eventually.ts";
import { type Proxy, startProxy } from "./proxy.ts";

interface Stage extends AsyncDisposable {
  readonly proxy: Proxy;
  /** A connection by way of the proxy to a server that sends everything back. */
  client(): Promise<Client>;
}

interface Client {
  readonly socket: Socket;
  /** What came back, and how the connection ended. */
  readonly seen: { text: string; parts: number; end: string };
}

async function stage(): Promise<Stage> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  };
  const echo = createServer((socket) => {
    keep(socket);
    socket.on("data", (chunk) => void socket.write(chunk));
  });
  echo.listen(0, "127.0.0.1");
  await once(echo, "listening");
  const proxy = await startProxy((echo.address() as AddressInfo).port);
  return {
    proxy,
    async client() {
      const socket = connect(proxy.port, "127.0.0.1");
      keep(socket);
      const seen = { text: "", parts: 0, end: "" };
      socket.on("data", (chunk) => {
        seen.text += chunk;
        seen.parts++;
      });
      socket.on("end", () => seen.end = "FIN");
      socket.on("error", (error: Error & { code?: string }) => seen.end = error.code ?? "");
      await once(socket, "connect");
      socket.write("a");
      await eventually("the echo answers", () => seen.text === "a");
      return { socket, seen };
    },
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      const closed = [...sockets].map((socket) => socket.closed || once(socket, "close"));
      for (const socket of sockets) socket.destroy();
      await Promise.all(closed);
      echo.close();
      await once(echo, "close");
    },
  };
}

Deno.test("Proxy cuts its connections in good order, or with a reset", async () => {
  await using scene = await stage();
  for (const [how, end] of [["fin", "FIN"], ["rst", "ECONNRESET"]] as const) {
    const { seen } = await scene.client();
    scene.proxy.cut(how);
    await eventually(`the client sees ${end}`, () => seen.end === end);
    assertEquals(scene.proxy.open, 0);
  }
});

Deno.test("Proxy holds back what comes while it is frozen, and passes it on afterwards", async () => {
  await using scene = await stage();
  const { socket, seen } = await scene.client();
  scene.proxy.set({ frozen: true });
  socket.write("b");
  const other = connect(scene.proxy.port, "127.0.0.1");
  await once(other, "connect");
  other.destroy();
  assertEquals(seen.text, "a");

  scene.proxy.set({});
  await eventually("what was held back arrives", () => seen.text === "ab");
  assertEquals(seen.end, "");
});

Deno.test("Proxy kills the connections in a blackhole without a word, and no others", async () => {
  await using scene = await stage();
  const dead = await scene.client();
  scene.proxy.blackhole();
  dead.socket.write("b");

  const alive = await scene.client();
  alive.socket.write("b");
  await eventually("the new connection works", () => alive.seen.text === "ab");
  assertEquals(dead.seen, { text: "a", parts: 1, end: "" });
});

Deno.test("Proxy chops up what it passes on, and delays it", async () => {
  await using scene = await stage();
  const { socket, seen } = await scene.client();
  scene.proxy.set({ fragmentBytes: 1, latencyMs: 5 });
  socket.write("bcdefghijk");

  await eventually("all of it arrives in order", () => seen.text === "abcdefghijk");
  assert(seen.parts > 2, `it came in ${seen.parts} parts`);
});

Deno.test("Proxy refuses connections until it accepts them again", async () => {
  await using scene = await stage();
  scene.proxy.refuse();
  const refused = connect(scene.proxy.port, "127.0.0.1");
  const [error] = await once(refused, "error");
  assertEquals(error.code, "ECONNREFUSED");

  scene.proxy.accept();
  await eventually("it listens again", async () => {
    const socket = connect(scene.proxy.port, "127.0.0.1");
    const opened = once(socket, "connect").then(() => true, () => false);
    const isOpen = await opened;
    socket.destroy();
    return isOpen;
  });
});
