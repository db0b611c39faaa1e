import type { Delivery, Settlement } from "./amqp/driver.ts";
import type { Linked } from "./linked_list.ts";
import { Message, type MessageSettlement } from "./message.ts";
import { catchListenerErrors } from "./runtime.ts";

/** What a held delivery needs of the subscription it came through. */
export interface DeliveryOwner {
  /** Writes a settlement, once for each; `false` if the channel takes none any more. */
  settle(held: HeldDelivery, how: Settlement): boolean;
  /** How long the message waits before it is requeued, in milliseconds. */
  retryDelay(delivery: Delivery): number;
  /** Gives a message back on which nobody has begun to work. */
  giveBack(held: HeldDelivery): void;
  /** One more message waits for its retry (1), or one fewer does (-1). */
  waits(change: 1 | -1): void;
  /** A listener of the message's signal threw. */
  listenerThrew(error: unknown): void;
  /** The message was rejected without requeue, and why. */
  rejected(held: HeldDelivery, reason: string): void;
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
  /** By when its callback must have come, if one is awaited. */
  callbackDeadline: number | undefined = undefined;
  /** Whether that time is over, and only the grace is left. */
  isOverdue = false;
  #owner: DeliveryOwner;
  #state = HELD;
  #abort: AbortController | undefined;
  #abortReason: Error | undefined;
  #onAbort: ((reason: Error) => void) | undefined;
  #isRecalled = false;
  #returned = false;

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

  /** Whether it went back because its consumer stops. */
  get returned(): boolean {
    return this.#returned;
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

  /** @param reason Why, for whoever is told of it. */
  reject(reason = "message.reject() was called"): boolean {
    if (!this.#settle("reject")) return false;
    this.#owner.rejected(this, reason);
    return true;
  }

  rejectRetry(): boolean {
    if (this.#state.kind !== "held") return false;
    // That it was told to end is no failure of the message, and does not count against it.
    if (this.#isRecalled) return this.#returned = this.release();
    const delayMs = this.#owner.retryDelay(this.delivery);
    if (delayMs === 0) return this.#settle("requeue");
    const timer = setTimeout(() => this.retryNow(), delayMs);
    this.#state = { kind: "retrying", timer };
    this.#owner.waits(1);
    return true;
  }

  /** Ends the delay of a retry. */
  retryNow(): void {
    if (this.#state.kind !== "retrying") return;
    this.#endWait(this.#state.timer);
    this.#state = HELD;
    this.#settle("requeue");
  }

  /** It is to go back to the broker, as nobody has begun to work on it. */
  giveBack(): void {
    if (this.open) this.#owner.giveBack(this);
  }

  /** The consumer stops: the task is to end, and to give the message back if it is not done. */
  recall(reason: Error): void {
    this.#isRecalled = true;
    this.abort(reason);
  }

  /** Gives it back to the broker at once. */
  release(): boolean {
    return this.#settle("release");
  }

  /** Tells the task that there is no point in going on. */
  abort(reason: Error): void {
    this.#abortReason ??= reason;
    const abort = this.#abort;
    if (abort !== undefined && !abort.signal.aborted) {
      catchListenerErrors(() => abort.abort(reason), (error) => this.listenerThrew(error));
    }
    this.#onAbort?.(reason);
  }

  /** Why the task was told to end, unless it had taken too long. */
  get endReason(): Error | undefined {
    return this.#abortReason?.name === "TimeoutError" ? undefined : this.#abortReason;
  }

  /** A listener of its signal threw, here or where its task runs. */
  listenerThrew(error: unknown): void {
    this.#owner.listenerThrew(error);
  }

  /** Tells one listener of the abort; a signal of its own for each message would cost more. */
  whenAborted(listener: ((reason: Error) => void) | undefined): void {
    this.#onAbort = listener;
    if (this.#abortReason !== undefined) listener?.(this.#abortReason);
  }

  /** The channel is gone, or about to go: the broker will deliver the message again. */
  lose(reason: Error): void {
    if (this.#state.kind === "settled") return;
    if (this.#state.kind === "retrying") this.#endWait(this.#state.timer);
    this.#state = LOST;
    this.abort(reason);
  }

  #endWait(timer: ReturnType<typeof setTimeout>): void {
    clearTimeout(timer);
    this.#owner.waits(-1);
  }

  #settle(how: Settlement): boolean {
    if (this.#state.kind !== "held") return false;
    this.#state = SETTLED;
    return this.#owner.settle(this, how);
  }
}
