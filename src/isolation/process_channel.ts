import { type ChildProcess, spawn } from "node:child_process";
import { onExit } from "../runtime.ts";
import { readFromTask } from "./from_task.ts";
import type { Command } from "./process_command.ts";
import type { FromTask, ToTask } from "./wire.ts";

/** How long a process may take to end by itself once its channel is closed. */
const LEAVE_MS = 1_000;
/** How long what an ended process said last is waited for. */
const LAST_WORDS_MS = 100;

/** How a process ended. */
export interface ProcessEnd {
  /** Its exit code, if it ended by itself. */
  readonly code: number | null;
  /** The signal that ended it, such as `"SIGKILL"`. */
  readonly signal: string | null;
  /** Why it could not be started. */
  readonly failure?: Error;
}

/**
 * A program, and a channel to it that is none of its standard streams: what a task prints goes where
 * the program's own output goes. The channel and its encoding are those of `node:child_process`; it
 * keeps dates, byte arrays and big integers, and writes of a byte array no more than it shows.
 */
export class ProcessChannel {
  /** Resolves when the process is gone and everything that it said has been received. */
  readonly ended: Promise<ProcessEnd>;
  #child: ChildProcess;

  /**
   * Starts the program.
   *
   * @param receive Takes what the process tells.
   */
  constructor({ program, args }: Command, receive: (message: FromTask) => void) {
    this.#child = spawn(program, args, {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      serialization: "advanced",
    });
    this.#child.on("message", (message) => {
      const told = readFromTask(message);
      if (told !== undefined) receive(told);
    });
    this.ended = this.#ends();
  }

  /** Says something to the process; in vain if it is about to end. */
  send(message: ToTask): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  /** Closes the channel, whereupon the process ends; it is killed if it takes too long. */
  close(): void {
    if (this.#child.connected) this.#child.disconnect();
  }

  /** Kills the process. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }

  async #ends(): Promise<ProcessEnd> {
    const child = this.#child;
    const gone = Promise.withResolvers<ProcessEnd>();
    const closed = Promise.withResolvers<void>();
    // It would end with its channel, but one in a busy loop does not notice.
    const forget = onExit(() => this.kill());
    let timer: ReturnType<typeof setTimeout> | undefined;
    child.once("disconnect", () => {
      closed.resolve();
      // A process without a channel is of no use, and a task may keep it alive.
      timer ??= setTimeout(() => this.kill(), LEAVE_MS);
    });
    child.on("error", (failure) => {
      if (child.pid !== undefined) return; // A failed write: the process is about to end.
      gone.resolve({ code: null, signal: null, failure });
      closed.resolve();
    });
    child.once("exit", (code, signal) => {
      gone.resolve({ code, signal });
      clearTimeout(timer);
      // A program that the task has started may hold the channel open.
      timer = setTimeout(() => this.close(), LAST_WORDS_MS);
    });
    const [end] = await Promise.all([gone.promise, closed.promise]);
    clearTimeout(timer);
    forget();
    return end;
  }
}
