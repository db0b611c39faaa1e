/** Consumers whose tasks run in threads or processes, and what is left of those. */

import { type BaseConsumerOptions, Consumer, type ConsumerEventMap } from "../../mod.ts";
import type { TaskPlace } from "../../src/isolation/task_options.ts";
import { eventually } from "./eventually.ts";
import { taskProcesses } from "./task_processes.ts";

/** Where tasks run apart. */
export const KINDS = ["thread", "process"] as const;

/** Where tasks run apart. */
export type Kind = typeof KINDS[number];

/** A module for tests. */
export function taskModule(name: "obeying" | "noting"): URL {
  return new URL(`./task_modules/${name}.ts`, import.meta.url);
}

/** A task module of this source; it may import `defineTask` and `MessageStatus` from `TASK`. */
export function moduleOf(source: string): string {
  const task = JSON.stringify(new URL("../../src/task.ts", import.meta.url).href);
  return `data:text/typescript,${encodeURIComponent(source.replaceAll("TASK", task))}`;
}

/** What a consumer has told. */
export interface Told {
  /** The failures, as `OUTCOME NAME: MESSAGE`. */
  readonly failures: string[];
  readonly errors: Error[];
  /** Whenever its channel was lost. */
  readonly lost: Error[];
}

/** A consumer whose tasks run apart. */
export function isolatedConsumer(
  isolation: Kind,
  options: BaseConsumerOptions & { taskModule?: string | URL },
): Consumer & { readonly told: Told } {
  const place = { isolation, taskModule: taskModule("obeying") } as TaskPlace;
  const consumer = new Consumer({ ...place, ...options } as BaseConsumerOptions & TaskPlace);
  const told: Told = { failures: [], errors: [], lost: [] };
  consumer.addEventListener(
    "taskfailed",
    ({ detail }: CustomEvent<ConsumerEventMap["taskfailed"]>) => {
      told.failures.push(`${detail.outcome} ${detail.error.name}: ${detail.error.message}`);
      told.errors.push(detail.error);
    },
  );
  consumer.addEventListener("channellost", ({ detail }) => told.lost.push(detail.cause));
  return Object.assign(consumer, { told });
}

/** The threads of this process that are workers. */
export function taskThreads(): number {
  return [...Deno.readDirSync("/proc/self/task")].filter(({ name }) => {
    try {
      return Deno.readTextFileSync(`/proc/self/task/${name}/comm`).startsWith("worker-");
    } catch {
      return false; // It has just ended.
    }
  }).length;
}

/** Waits until no thread and no process is left that runs tasks. */
export async function noneLeft(): Promise<void> {
  await eventually(
    "no thread or process of a task is left",
    () => taskThreads() === 0 && taskProcesses().length === 0,
  );
}
