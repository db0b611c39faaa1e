/**
 * Finds and starts brokers, for the tasks and for the tests.
 *
 * Run as a program it is `deno task broker [--broker=3|4]`: a broker that stays until Ctrl-C.
 *
 * @module
 */

export { findBroker } from "./broker/find.ts";
export { brokerFromEnvironment, environmentFor } from "./broker/environment.ts";
export { startNode } from "./broker/node.ts";
export type { FindOptions, Wanted } from "./broker/find.ts";
export type { Node, NodeOptions } from "./broker/node.ts";
export type { Broker, Control, Log } from "./broker/types.ts";
export type { Server } from "./broker/server.ts";

import { readOptions, runTool } from "./options.ts";
import { withBroker } from "./with_broker.ts";

if (import.meta.main) {
  await runTool(() => {
    const { want } = readOptions(Deno.args);
    return withBroker({ want, preferPort: 5672 }, async (broker, _environment, signal) => {
      console.log(broker.url);
      if (!broker.own || signal.aborted) return 0;
      console.error("Ctrl-C stops it.");
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      return 0;
    });
  });
}
