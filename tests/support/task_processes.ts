/** Processes that run tasks, for the tests of what they are made of. */

import type { ProcessOptions } from "../../src/isolation/process_command.ts";
import { ProcessWorker } from "../../src/isolation/process_worker.ts";
import type { WireMessage } from "../../src/isolation/wire.ts";

const task = new URL("../../src/task.ts", import.meta.url).href;

/** A task module as a `data:` URL; `defineTask` and `MessageStatus` are there. */
export function dataModule(source: string): string {
  const whole = `import { defineTask, MessageStatus } from ${JSON.stringify(task)};\n${source}`;
  return `data:text/javascript,${encodeURIComponent(whole)}`;
}

/** A process that has loaded its module, and is ended when disposed of. */
export async function startedProcess(
  href: string,
  options: Partial<ProcessOptions> = {},
): Promise<ProcessWorker & AsyncDisposable> {
  const worker = new ProcessWorker(href, { permissions: "inherit", runFlags: [], ...options });
  await worker.ready;
  return Object.assign(worker, {
    async [Symbol.asyncDispose]() {
      await worker.end();
    },
  });
}

/** The same for a module of which this is the source. */
export function processOf(source: string, options: Partial<ProcessOptions> = {}) {
  return startedProcess(dataModule(source), options);
}

/** A message for a task. */
export function wireMessage(parts: Partial<WireMessage>): WireMessage {
  return {
    body: new Uint8Array(),
    exchange: "",
    routingKey: "",
    redelivered: false,
    properties: { kind: "value", value: {} },
    headers: { kind: "value", value: {} },
    ...parts,
  };
}
