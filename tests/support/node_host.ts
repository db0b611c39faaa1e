/**
 * A program that starts private nodes and disturbs them as it is told, a line of JSON at a time: so a test that kills a
 * node and starts it again neither opens nor closes a process of its own. It ends, and its nodes with it, when its
 * standard input does.
 */

import { type Node, startNode } from "../../tools/broker.ts";
import type { Order, Reply } from "./nodes.ts";

const nodes: Node[] = [];

async function obey(order: Order): Promise<Partial<Reply>> {
  switch (order.verb) {
    case "add": {
      const lines = order.options.config as readonly string[] | undefined;
      const config = lines &&
        ((folder: string) => lines.map((line) => line.replace("$FOLDER", folder)));
      const node = await startNode({ ...order.options, config, peer: nodes[0] });
      nodes.push(node);
      const { url, hostname, port, username, password, vhost } = node;
      const { version, origin, own, server, name, control } = node;
      const account = { url, hostname, port, username, password, vhost };
      return { node: { ...account, version, origin, own, server, name, control } };
    }
    case "kill":
      await nodes[order.node].kill();
      return {};
    case "start":
      await nodes[order.node].start();
      return {};
    case "pause":
      nodes[order.node].pause();
      return {};
    case "resume":
      nodes[order.node].resume();
      return {};
  }
}

let rest = "";
for await (const part of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + part).split("\n");
  rest = lines.pop()!;
  for (const line of lines) {
    const reply: Reply = await obey(JSON.parse(line)).catch((error) => ({ error: `${error}` }));
    console.log(JSON.stringify(reply));
  }
}
await Promise.all(nodes.map((node) => node.stop()));
