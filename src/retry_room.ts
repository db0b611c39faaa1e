import { MOST_EXTRA_SLOTS } from "./channel_consumers.ts";

/** How often a consumer that has added slots looks whether they are needed, and of use. */
const TEND_MS = 1_000;
/** So often in a row messages must have waited beside slots that took none. */
const SIGNS_OF_IDLENESS = 2;

/** What the room for others depends on. */
export interface RoomOwner {
  readonly prefetch: number;
  readonly workers: number;
  /** How many messages are held, those that wait included. */
  readonly outstanding: number;
  /** How many slots were added. */
  readonly extraSlots: number;
  /** Whether slots may be added. */
  readonly mayAdd: boolean;
  /** Gives up slots that are not needed any more. */
  shrink(): void;
  /** How many messages of the queue could be delivered at once. */
  countReady(): Promise<number>;
}

/**
 * How many slots are to be added to those of `prefetch`, so that messages that wait for their retry
 * stop no others: they may take half of `prefetch`, as far as the workers do not need that.
 *
 * @param waiting How many messages wait for their retry.
 */
export function extraSlotsFor(
  waiting: number,
  { prefetch, workers }: { readonly prefetch: number; readonly workers: number },
): number {
  const spare = prefetch - Math.max(workers, Math.ceil(prefetch / 2));
  return Math.min(Math.max(waiting - spare, 0), MOST_EXTRA_SLOTS);
}

/** Room for other messages beside those that wait for their retry. */
export class RetryRoom {
  #owner: RoomOwner;
  #waiting = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #signs = 0;
  #isOver = false;

  constructor(owner: RoomOwner) {
    this.#owner = owner;
  }

  /** How many messages wait for their retry. */
  get waiting(): number {
    return this.#waiting;
  }

  /** How many slots there should be beside those of `prefetch`. */
  get wantedSlots(): number {
    if (!this.#owner.mayAdd) return 0;
    const wanted = extraSlotsFor(this.#waiting, this.#owner);
    return this.#isIdle ? Math.min(wanted, this.#owner.extraSlots) : wanted;
  }

  /** How many messages can be held at most before no other comes. */
  get slots(): number {
    const { prefetch, extraSlots } = this.#owner;
    return this.#isIdle ? prefetch : prefetch + Math.max(extraSlots, this.wantedSlots);
  }

  /** One more message waits (1), or one fewer does (-1). */
  waits(change: 1 | -1): void {
    this.#waiting += change;
    if (this.#timer === undefined && !this.#isOver && this.wantedSlots > 0) {
      this.#timer = setInterval(() => void this.#tend(), TEND_MS);
    }
  }

  /** Looks after nothing any more: the channel is gone. */
  stop(): void {
    this.#isOver = true;
    this.#rest();
  }

  #rest(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#signs = 0;
  }

  /** The broker delivers nothing through what was added: the queue has a single active consumer. */
  get #isIdle(): boolean {
    return this.#signs >= SIGNS_OF_IDLENESS;
  }

  async #tend(): Promise<void> {
    const owner = this.#owner;
    owner.shrink();
    if (owner.extraSlots === 0 && this.wantedSlots === 0) return this.#rest();
    const unused = () =>
      owner.extraSlots > 0 && this.#waiting >= owner.prefetch &&
      owner.outstanding <= owner.prefetch;
    if (!unused()) {
      this.#signs = 0;
      return;
    }
    try {
      const isSign = await owner.countReady() > 0 && unused();
      this.#signs = isSign ? this.#signs + 1 : 0;
    } catch {
      // The channel is gone, and what was added with it.
    }
  }
}
