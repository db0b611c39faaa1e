/**
 * Builds of the library that are broken on purpose, to prove that the checker finds out. Each is a copy of the sources
 * in which a few lines are others.
 */

import { pathToFileURL } from "node:url";

/** One replacement in a file. */
interface Patch {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

const PATCHES = {
  /** Acknowledges a message before its task has run. */
  "ack-early": [{
    file: "src/consumer.ts",
    find: "const outcome = this.#runner.run(held);",
    replace: "held.ack();\n    const outcome = this.#runner.run(held);",
  }],
  /** Takes a message for confirmed as soon as it is written. */
  "ignore-confirms": [{
    file: "src/outbox.ts",
    find: "this.#window.written();",
    replace: "this.#window.written();\n        this.#settle(send);",
  }],
  /** Settles messages of a lost channel on the next one, by the tags of the old. */
  "wrong-channel": [
    {
      file: "src/subscription.ts",
      find: "export class Subscription ",
      replace: "const newest = new Map<string, DriverChannel>();\nexport class Subscription ",
    },
    {
      file: "src/subscription.ts",
      find: "subscription.#channel = channel;",
      replace:
        "subscription.#channel = channel;\n    newest.set(subscription.#queueName, channel);",
    },
    {
      file: "src/subscription.ts",
      find: "if (this.#channel === undefined) return false;",
      replace: "newest.get(this.#queueName)?.settle(held.delivery.tag, how);\n      return true;",
    },
    {
      file: "src/subscription.ts",
      find:
        'this.#acks.clear();\n    this.#room.stop();\n    this.#life.removeEventListener("abort", this.#endLife);\n' +
        "    const { tally } = this.#host;\n    tally.released += this.#parked.length;\n" +
        "    tally.lost += this.#held.size - this.#parked.length - this.#returns.length;\n    this.abandon(cause);",
      replace: "this.#acks.clear();",
    },
  ],
  /** Judges once whether to consume, before the broker has answered, and gives back what comes. */
  "judge-once": [
    {
      file: "src/consumer.ts",
      find: "        void subscription.follow();\n        this.#subscribed",
      replace: "        this.#subscribed",
    },
    {
      file: "src/channel_consumers.ts",
      find: "await step;",
      replace: "await step;\n        if (this.#consumers.length === 1) break;",
    },
    {
      file: "src/subscription.ts",
      find: "return this.#isTaking || this.#consumers?.isOpen === false;",
      replace: "return true;",
    },
  ],
  /** Waits without end for a callback. */
  "no-callback-timeout": [{
    file: "src/callback_watch.ts",
    find: "this.#timer ??= setTimeout(() => this.#look(), callbackTimeoutMs);",
    replace: "",
  }],
} satisfies Record<string, readonly Patch[]>;

/** A way to break the library. */
export type Sabotage = keyof typeof PATCHES;

/** All ways to break it. */
export const SABOTAGES = Object.keys(PATCHES) as Sabotage[];

/**
 * Applies a patch to the text of a file.
 *
 * @throws {Error} When the text does not have, exactly once, what is to be replaced: the sources have changed, and the
 * patch must follow.
 */
export function applyPatch(text: string, { file, find, replace }: Patch): string {
  const parts = text.split(find);
  if (parts.length !== 2) {
    throw new Error(
      `Cannot sabotage ${file}: "${find}" is in it ${parts.length - 1} times: adapt ` +
        `tests/soak/sabotage.ts to the new source`,
    );
  }
  return parts.join(replace);
}

/** Copies the library to a folder, broken or as it is. Returns the URL of its `mod.ts`. */
export async function copyLibrary(
  root: string,
  folder: string,
  sabotage?: Sabotage,
): Promise<string> {
  await copyTree(`${root}src`, `${folder}/src`);
  await Deno.copyFile(`${root}mod.ts`, `${folder}/mod.ts`);
  for (const patch of sabotage === undefined ? [] : PATCHES[sabotage]) {
    const path = `${folder}/${patch.file}`;
    await Deno.writeTextFile(path, applyPatch(await Deno.readTextFile(path), patch));
  }
  return pathToFileURL(`${folder}/mod.ts`).href;
}

async function copyTree(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyTree(`${from}/${name}`, `${to}/${name}`);
    else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}
