import type { Send } from "./confirm_window.ts";
import type { Linked } from "./linked_list.ts";
import type { PreparedMessage, SendCallbacks } from "./send_options.ts";

/** A send until its outcome is known, and its promise. */
export class OpenSend implements Send, Linked<OpenSend> {
  readonly message: PreparedMessage;
  readonly callbacks: SendCallbacks;
  readonly sequence: number;
  readonly deadline: number;
  readonly promise: Promise<void>;
  resolve!: () => void;
  reject!: (error: Error) => void;
  settled = false;
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
      this.resolve = resolve;
      this.reject = reject;
    });
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
