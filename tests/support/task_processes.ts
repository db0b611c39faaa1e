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

/** The processes that run tasks for this one. */
export function taskProcesses(): number[] {
  const ids = [...Deno.readDirSync("/proc")].map(({ name }) => Number(name));
  return ids.filter((id) => id > 0 && runsTasks(id));
}

function runsTasks(id: number): boolean {
  try {
    const stat = Deno.readTextFileSync(`/proc/${id}/stat`);
    const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (Number(parent) !== Deno.pid) return false;
    // One that has ended, but that nobody has waited for, has no command any more.
    return state === "Z" || Deno.readTextFileSync(`/proc/${id}/cmdline`).includes("serveProcess");
  } catch {
    return false; // It has just ended.
  }
}

/** Whether there is a process with this number. */
export function isThere(pid: number): boolean {
  try {
    Deno.statSync(`/proc/${pid}`);
    return true;
  } catch {
    return false;
  }
}
