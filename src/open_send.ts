import type { Send } from "./confirm_window.ts";
import type { Linked } from "./linked_list.ts";
import { heardOf, rejection } from "./rejection.ts";
import type { PreparedMessage, SendCallbacks } from "./send_options.ts";

/** A send until its outcome is known, and its promise. */
export class OpenSend implements Send, Linked<OpenSend> {
  readonly message: PreparedMessage;
  readonly callbacks: SendCallbacks;
  readonly sequence: number;
  readonly deadline: number;
  readonly promise: Promise<void>;
  resolve!: (outcome?: Promise<never>) => void;
  reject!: (error: Error) => void;
  settled = false;
  /** Whether a failure is the program's already, whatever becomes of the promise. */
  handled = false;
  written = false;
  rewritten = false;
  returned: string | undefined = undefined;
  /** Ends what watches this send alone, if anything does. */
  unwatch: (() => void) | undefined = undefined;
  previous: OpenSend | undefined = undefined;
  next: OpenSend | undefined = undefined;

  constructor(
    message: PreparedMessage,
    callbacks: SendCallbacks,
    sequence: number,
    deadline: number,
  ) {
    this.message = message;
    this.callbacks = callbacks;
    this.sequence = sequence;
    this.deadline = deadline;
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve as OpenSend["resolve"];
      this.reject = reject;
    });
  }

  /** Fails at once, within the call, of which the error shows the stack. */
  refuse(error: Error): void {
    if (this.handled) this.#markHandled();
    this.reject(error);
  }

  /** Fails, with the stack of who awaits it. Resolves when they know of it. */
  async fail(error: Error): Promise<void> {
    this.resolve(rejection(error, () => {
      if (this.handled) this.#markHandled();
    }));
    await heardOf();
  }

  #markHandled(): void {
    this.promise.catch(() => {});
  }

  get messageId(): string {
    return this.message.properties.messageId!;
  }

  get bytes(): number {
    return this.message.bytes;
  }

  get expiresByItself(): boolean {
    return this.message.sendTimeoutMs !== undefined;
  }
}
