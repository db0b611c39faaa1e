/** What can be in a list: it knows its neighbours there. */
export interface Linked<T> {
  previous: T | undefined;
  next: T | undefined;
}

/**
 * A list that keeps the order in which its items came, and takes any of them out at once. A `Set`
 * does that too, but is rebuilt again and again when many come and go.
 */
export class LinkedList<T extends Linked<T>> implements Iterable<T> {
  #first: T | undefined;
  #last: T | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get first(): T | undefined {
    return this.#first;
  }

  /** Puts an item, which is in no list, behind all others. */
  add(item: T): void {
    item.previous = this.#last;
    if (this.#last === undefined) this.#first = item;
    else this.#last.next = item;
    this.#last = item;
    this.#size++;
  }

  /** Takes an item out, which is in this list. */
  delete(item: T): void {
    const { previous, next } = item;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    item.previous = undefined;
    item.next = undefined;
    this.#size--;
  }

  /** The items, in order; the one that was given last may be taken out meanwhile. */
  *[Symbol.iterator](): Iterator<T> {
    for (let item = this.#first; item !== undefined;) {
      const { next } = item;
      yield item;
      item = next;
    }
  }
}
