const RING = 65_536;

/** Counts what is confirmed, whatever the order and the multiples in which the broker says so. */
export class Confirms {
  #early = new Uint8Array(RING);
  /** How many are confirmed. */
  count = 0;
  /** Up to this tag all are. */
  low = 0;

  confirm(tag: number, multiple: boolean): void {
    const early = this.#early;
    if (multiple) {
      while (this.low < tag) {
        this.low++;
        if (early[this.low % RING] === 0) this.count++;
        early[this.low % RING] = 0;
      }
    } else {
      this.count++;
      early[tag % RING] = 1;
    }
    while (early[(this.low + 1) % RING] === 1) early[++this.low % RING] = 0;
  }
}
