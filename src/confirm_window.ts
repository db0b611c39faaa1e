import type { OutgoingMessage, ReturnedMessage } from "./amqp/driver.ts";
import { Fifo } from "./fifo.ts";
import { type Linked, LinkedList } from "./linked_list.ts";
import { TagWindow } from "./tag_window.ts";

/** A message on its way, from the call of `send` until its outcome is known. */
export interface Send {
  readonly message: OutgoingMessage;
  readonly messageId: string;
  /** What it counts towards the bytes that are buffered. */
  readonly bytes: number;
  /** Numbers the sends of a publisher, in the order of the calls. */
  readonly sequence: number;
  /** When its time is over, on the clock of `performance.now()`. */
  readonly deadline: number;
  /** Whether its time is its own, so that it may be over before that of earlier ones, or after. */
  readonly expiresByItself: boolean;
  /** Whether its outcome is known: from then on it is only kept if the broker still owes a confirm. */
  settled: boolean;
  /** Whether it was written to a broker at least once. */
  written: boolean;
  /** Whether it was written again, to another channel. */
  rewritten: boolean;
  /** What the broker said when it returned the message, if it did. */
  returned: string | undefined;
}

/** So many may be kept that were withdrawn behind others. */
const MOST_WITHDRAWN = 64;

/**
 * The sends of a publisher whose outcome is open: those that wait to be written, in order, and
 * those that are in flight on the present channel, by delivery tag. Pure bookkeeping: it writes
 * nothing and settles nothing by itself.
 */
export class ConfirmWindow<S extends Send & Linked<S>> {
  #waiting = new Fifo<S>();
  #inFlight = new TagWindow<S>();
  #open = new LinkedList<S>();
  /** The open sends that expire by themselves. */
  #openAside = new LinkedList<S>();
  /** How many were withdrawn before they were written, since that was last looked after. */
  #withdrawn = 0;
  #bytes = 0;
  #inFlightBytes = 0;

  /** How many sends are open. */
  get size(): number {
    return this.#open.size + this.#openAside.size;
  }

  /** How many bytes the open sends hold. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many messages the broker has not confirmed yet. */
  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** How many bytes those hold, whether or not somebody still waits for the outcome. */
  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  /** Whether nobody waits any more for the outcome of any message that is in flight. */
  get isOverdue(): boolean {
    // What is in flight was sent before all that waits.
    const { oldest } = this;
    return oldest === undefined || oldest === this.next();
  }

  /** The open sends, in the order of the calls. */
  get open(): Iterable<S> {
    if (this.#openAside.size === 0) return this.#open;
    return [...this.#open, ...this.#openAside].sort((one, other) => one.sequence - other.sequence);
  }

  /** The oldest of them. */
  get oldest(): S | undefined {
    const { first } = this.#open;
    const aside = this.#openAside.first;
    if (first === undefined || aside === undefined) return first ?? aside;
    return first.sequence < aside.sequence ? first : aside;
  }

  /** The oldest of those whose time is that of all, so that none of these expires before it. */
  get firstToExpire(): S | undefined {
    return this.#open.first;
  }

  /** The oldest that the broker has not confirmed, whether or not somebody still waits for it. */
  get oldestInFlight(): S | undefined {
    for (const send of this.#inFlight.values()) return send;
    return undefined;
  }

  /** Takes in a new send; it waits behind all others. */
  add(send: S): void {
    this.#listOf(send).add(send);
    this.#bytes += send.bytes;
    this.#waiting.push(send);
  }

  /** The next send to write; it goes on waiting until {@linkcode written} says that it was. */
  next(): S | undefined {
    this.#dropSettled();
    return this.#waiting.peek();
  }

  /** The send that {@linkcode next} named was written, under the next delivery tag of the channel. */
  written(): void {
    const send = this.#waiting.shift()!;
    send.rewritten = send.written;
    send.written = true;
    this.#inFlight.push(send);
    this.#inFlightBytes += send.bytes;
  }

  /**
   * Takes out what a confirm speaks of, in the order of the tags: one message, or all up to it.
   * What was settled before is left out.
   */
  confirm(tag: number, multiple: boolean): S[] {
    if (multiple) {
      const confirmed = this.#inFlight.takeUpTo(tag);
      for (const send of confirmed) this.#inFlightBytes -= send.bytes;
      return confirmed.filter((send) => !send.settled);
    }
    const send = this.#inFlight.take(tag);
    if (send === undefined) return [];
    this.#inFlightBytes -= send.bytes;
    return send.settled ? [] : [send];
  }

  /** Marks the oldest message in flight that is the one returned, and was not returned yet. */
  markReturned(message: ReturnedMessage): void {
    for (const send of this.#inFlight.values()) {
      if (
        send.messageId === message.messageId && send.returned === undefined &&
        send.message.exchange === message.exchange &&
        send.message.routingKey === message.routingKey
      ) {
        send.returned = message.replyText;
        return;
      }
    }
  }

  /** What the broker has not confirmed, in order, whether or not somebody still waits for it. */
  get unconfirmed(): S[] {
    return [...this.#inFlight.values()];
  }

  /** The channel is gone: what was in flight waits again, in order, before all others. Returns it. */
  recall(): S[] {
    const recalled = [...this.#inFlight.values()].filter((send) => !send.settled);
    for (const send of recalled) send.returned = undefined;
    this.#inFlight.clear();
    this.#inFlightBytes = 0;
    this.#waiting.prepend(recalled);
    return recalled;
  }

  /** Notes that the outcome of a send is known. Returns whether that is news. */
  settle(send: S): boolean {
    if (send.settled) return false;
    send.settled = true;
    this.#listOf(send).delete(send);
    this.#bytes -= send.bytes;
    this.#dropSettled();
    if (!send.written) this.#dropWithdrawn();
    return true;
  }

  /** Forgets what the broker still owes. */
  clear(): void {
    this.#waiting.drain();
    this.#inFlight.clear();
    this.#inFlightBytes = 0;
  }

  #listOf(send: S): LinkedList<S> {
    return send.expiresByItself ? this.#openAside : this.#open;
  }

  /** What is withdrawn while it waits behind others must not pile up there. */
  #dropWithdrawn(): void {
    if (++this.#withdrawn < MOST_WITHDRAWN || this.#withdrawn * 2 < this.#waiting.length) return;
    this.#withdrawn = 0;
    this.#waiting.prepend(this.#waiting.drain().filter((send) => !send.settled));
  }

  #dropSettled(): void {
    while (this.#waiting.peek()?.settled) this.#waiting.shift();
  }
}
