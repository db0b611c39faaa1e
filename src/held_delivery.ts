import type { Delivery, Settlement } from "./amqp/driver.ts";
import type { Linked } from "./linked_list.ts";
import { Message, type MessageSettlement } from "./message.ts";

/** What a held delivery needs of the subscription it came through. */
export interface DeliveryOwner {
  /** Writes a settlement, once for each; `false` where the channel takes none any more. */
  settle(held: HeldDelivery, how: Settlement): boolean;
  /** How long the message waits before it is requeued, in milliseconds. */
  retryDelay(delivery: Delivery): number;
}

type HeldState =
  | { readonly kind: "held" }
  | { readonly kind: "retrying"; readonly timer: ReturnType<typeof setTimeout> }
  | { readonly kind: "settled" }
  | { readonly kind: "lost" };

const HELD: HeldState = { kind: "held" };
const SETTLED: HeldState = { kind: "settled" };
const LOST: HeldState = { kind: "lost" };

/**
 * One delivery, from its arrival until it is settled or its channel is lost. It belongs to the
 * subscription that received it, and can settle nothing anywhere else.
 */
export class HeldDelivery implements MessageSettlement, Linked<HeldDelivery> {
  /** Its neighbours in the list of what the subscription holds. */
  previous: HeldDelivery | undefined = undefined;
  next: HeldDelivery | undefined = undefined;
  readonly delivery: Delivery;
  readonly message: Message;
  #owner: DeliveryOwner;
  #state = HELD;
  #abort: AbortController | undefined;
  #abortReason: Error | undefined;
  #onAbort: ((reason: Error) => void) | undefined;

  constructor(delivery: Delivery, owner: DeliveryOwner) {
    this.delivery = delivery;
    this.#owner = owner;
    this.message = new Message(delivery, this);
  }

  /** Whether nobody has settled it yet, and somebody still could. */
  get open(): boolean {
    return this.#state.kind === "held";
  }

  /** Whether its channel was lost before it was settled. */
  get lost(): boolean {
    return this.#state.kind === "lost";
  }

  /** Made when it is first asked for: most tasks never look. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#abortReason !== undefined) this.#abort.abort(this.#abortReason);
    }
    return this.#abort.signal;
  }

  ack(): boolean {
    return this.#settle("ack");
  }

  reject(): boolean {
    return this.#settle("reject");
  }

  rejectRetry(): boolean {
    if (this.#state.kind !== "held") return false;
    const delayMs = this.#owner.retryDelay(this.delivery);
    if (delayMs === 0) return this.#settle("requeue");
    const timer = setTimeout(() => this.retryNow(), delayMs);
    this.#state = { kind: "retrying", timer };
    return true;
  }

  /** Ends the delay of a retry. */
  retryNow(): void {
    if (this.#state.kind !== "retrying") return;
    clearTimeout(this.#state.timer);
    this.#state = HELD;
    this.#settle("requeue");
  }

  /** Gives it back to the broker, as nobody worked on it. */
  release(): boolean {
    return this.#settle("release");
  }

  /** Tells the task that there is no point in going on. */
  abort(reason: Error): void {
    this.#abortReason ??= reason;
    this.#abort?.abort(reason);
    this.#onAbort?.(reason);
  }

  /** Tells one listener of the abort; a signal of its own for each message would cost more. */
  whenAborted(listener: ((reason: Error) => void) | undefined): void {
    this.#onAbort = listener;
    if (this.#abortReason !== undefined) listener?.(this.#abortReason);
  }

  /** The channel is gone, or about to go: the broker will deliver the message again. */
  lose(reason: Error): void {
    if (this.#state.kind === "settled") return;
    if (this.#state.kind === "retrying") clearTimeout(this.#state.timer);
    this.#state = LOST;
    this.abort(reason);
  }

  #settle(how: Settlement): boolean {
    if (this.#state.kind !== "held") return false;
    this.#state = SETTLED;
    return this.#owner.settle(this, how);
  }
}
