/** Private nodes, of the same server as the broker of the tests, that a test may kill, freeze and misconfigure. */

import type { Broker, Control, NodeOptions } from "../../tools/broker.ts";
import { controls } from "../../tools/broker/control.ts";
import { launch, ROOT } from "../../tools/launch.ts";
import { broker, isVersion4 } from "./broker.ts";

/** What the program that holds the nodes is told. */
export type Order =
  | { readonly verb: "add"; readonly options: NodeOptions }
  | { readonly verb: "kill" | "start" | "pause" | "resume"; readonly node: number };

/** A node as it can be told to another process. */
export type Description =
  & Omit<Broker, "ctl" | "evaluate" | "stop">
  & { readonly name: string; readonly control: Control };

/** What the program answers to an order, once it is done. */
export interface Reply {
  readonly node?: Description;
  readonly error?: string;
}

/** A node that a test may disturb. */
export interface PrivateNode extends Description {
  /** The output of `rabbitmqctl`. */
  ctl(...args: string[]): Promise<string>;
  /** The value of an Erlang expression. */
  evaluate(expression: string): Promise<string>;
  /** Crashes it (SIGKILL). */
  kill(): Promise<void>;
  /** Starts it after a crash, with the same data. */
  start(): Promise<void>;
  /** Freezes it (SIGSTOP), until {@linkcode PrivateNode.resume}. */
  pause(): Promise<void>;
  resume(): Promise<void>;
}

/** What a private node is started with; `$FOLDER` in a line of `config` stands for its folder. */
export type NodeSettings = Pick<NodeOptions, "files" | "plugins"> & {
  readonly config?: readonly string[];
};

/** For `ignore`: there is nothing to start private nodes from. */
export const noNodes = broker.server === undefined || broker.server.kind === "docker";

/**
 * Starts private nodes before the first test of a file, for all of them, and stops them after the last.
 *
 * @param count How many; together they are one cluster.
 * @param options What each is started with, or what makes it.
 * @returns An array that is filled when the first test begins.
 */
export function privateNodes(
  count: number,
  options: NodeSettings | (() => Promise<NodeSettings>) = {},
): readonly PrivateNode[] {
  const nodes: PrivateNode[] = [];
  if (noNodes) return nodes;
  let host: NodeHost | undefined;
  Deno.test.beforeAll(async () => {
    host = new NodeHost();
    const settings = typeof options === "function" ? await options() : options;
    for (let index = 0; index < count; index++) {
      const node = await host.add({ ...settings, server: broker.server! });
      if (index > 0) await join(node, nodes[0]);
      nodes.push(node);
    }
  });
  Deno.test.afterAll(() => host?.end());
  return nodes;
}

/**
 * Has the node write to disk which queues it has. By itself it does so a little later: a crash before that makes it
 * forget a classic queue, and of a quorum queue what was confirmed.
 */
export async function writeDeclarations(node: PrivateNode): Promise<void> {
  if (!isVersion4) await node.evaluate("mnesia:dump_log().");
  await node.evaluate("[dets:sync(Table) || Table <- dets:all()], ok.");
}

async function join(node: PrivateNode, first: PrivateNode): Promise<void> {
  await node.ctl("stop_app");
  await node.ctl("join_cluster", first.name);
  await node.ctl("start_app");
}

/** The program that holds the nodes. */
class NodeHost {
  #child: Deno.ChildProcess;
  #writer: WritableStreamDefaultWriter<Uint8Array>;
  #reader: ReadableStreamDefaultReader<Uint8Array>;
  #count = 0;

  constructor() {
    this.#child = launch(
      ["run", "--quiet", "--allow-all", `${ROOT}tests/support/node_host.ts`],
      { environment: Deno.env.toObject(), stdin: "piped", stdout: "piped", stderr: "inherit" },
    );
    this.#writer = this.#child.stdin.getWriter();
    this.#reader = this.#child.stdout.getReader();
  }

  async add(options: NodeOptions): Promise<PrivateNode> {
    const { node } = await this.#tell({ verb: "add", options });
    const index = this.#count++;
    const tell = (verb: "kill" | "start" | "pause" | "resume") => async () => {
      await this.#tell({ verb, node: index });
    };
    return {
      ...node!,
      ...controls(node!.control),
      kill: tell("kill"),
      start: tell("start"),
      pause: tell("pause"),
      resume: tell("resume"),
    };
  }

  async end(): Promise<void> {
    await this.#writer.close();
    await this.#child.status;
    await this.#reader.cancel();
  }

  /** One order at a time, so that nothing is being read or written between two of them. */
  async #tell(order: Order): Promise<Reply> {
    await this.#writer.write(new TextEncoder().encode(`${JSON.stringify(order)}\n`));
    let text = "";
    while (!text.endsWith("\n")) {
      const { value, done } = await this.#reader.read();
      if (done) throw new Error("The program that holds the nodes has ended");
      text += new TextDecoder().decode(value);
    }
    const reply: Reply = JSON.parse(text);
    if (reply.error !== undefined) throw new Error(reply.error);
    return reply;
  }
}
