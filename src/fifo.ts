/**
 * A queue whose `shift` takes the same time however long it is; that of a large array does not.
 */
export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** The oldest item, left where it is. */
  peek(): T | undefined {
    return this.#items[this.#head];
  }

  /** The item that has so many older ones before it. */
  at(index: number): T | undefined {
    return this.#items[this.#head + index];
  }

  /** Puts another in the place of an item that is there. */
  replace(index: number, item: T): void {
    this.#items[this.#head + index] = item;
  }

  /** Takes the oldest item out. */
  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    if (this.#head === this.#items.length) this.#reset([]);
    else if (this.#head >= 1024 && this.#head * 2 > this.#items.length) {
      this.#reset(this.#items.slice(this.#head));
    }
    return item;
  }

  /** Puts items before all others, in their order. */
  prepend(items: readonly T[]): void {
    if (items.length > 0) this.#reset([...items, ...this.#items.slice(this.#head)]);
  }

  /** Takes everything out, oldest first. */
  drain(): T[] {
    const items = this.#items.slice(this.#head) as T[];
    this.#reset([]);
    return items;
  }

  #reset(items: (T | undefined)[]): void {
    this.#items = items;
    this.#head = 0;
  }
}
