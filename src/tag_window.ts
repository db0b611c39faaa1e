import { Fifo } from "./fifo.ts";

/** Items by delivery tag, which a channel counts from 1: put in by tag, taken out in any order. */
export class TagWindow<T> {
  /** From the lowest tag that is still here; `undefined` if one was taken out behind it. */
  #items = new Fifo<T | undefined>();
  #lowest = 1;
  #size = 0;

  /** How many are in it. */
  get size(): number {
    return this.#size;
  }

  /** Puts an item in under the next tag. */
  push(item: T): void {
    this.#items.push(item);
    this.#size++;
  }

  /** Takes out what has this tag; nothing if there is none. */
  take(tag: number): T | undefined {
    const item = this.#items.at(tag - this.#lowest);
    if (item === undefined) return undefined;
    this.#items.replace(tag - this.#lowest, undefined);
    this.#size--;
    this.#dropTaken();
    return item;
  }

  /** Takes out everything up to this tag, in order. */
  takeUpTo(tag: number): T[] {
    const taken: T[] = [];
    for (; this.#lowest <= tag && this.#items.length > 0; this.#lowest++) {
      const item = this.#items.shift();
      if (item !== undefined) taken.push(item);
    }
    this.#size -= taken.length;
    this.#dropTaken();
    return taken;
  }

  /** What is in it, in order. */
  *values(): Iterable<T> {
    for (let index = 0; index < this.#items.length; index++) {
      const item = this.#items.at(index);
      if (item !== undefined) yield item;
    }
  }

  /** Begins again, for another channel. */
  clear(): void {
    this.#items.drain();
    this.#lowest = 1;
    this.#size = 0;
  }

  #dropTaken(): void {
    while (this.#items.length > 0 && this.#items.peek() === undefined) {
      this.#items.shift();
      this.#lowest++;
    }
  }
}
