/** Counts messages as they come in, and holds them to what they must be. */
export class Arrivals {
  #bodyBytes: number;
  #waiting: { count: number; resolve: () => void } | undefined;
  count = 0;

  constructor(bodyBytes: number) {
    this.#bodyBytes = bodyBytes;
  }

  /** One more. */
  readonly one = (bytes: number): void => {
    // Thrown into a client, an error may end up anywhere.
    if (bytes !== this.#bodyBytes) die(`A body has ${bytes} bytes instead of ${this.#bodyBytes}`);
    this.count++;
    if (this.#waiting !== undefined && this.count >= this.#waiting.count) {
      this.#waiting.resolve();
      this.#waiting = undefined;
    }
  };

  /** Waits until so many have come in all. */
  reached(count: number): Promise<void> {
    if (this.count >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiting = { count, resolve });
  }

  /** To be called when no more can come: there must be exactly so many. */
  end(count: number): void {
    if (this.count !== count) throw new Error(`${this.count} messages came instead of ${count}`);
  }
}

function die(message: string): never {
  console.error(message);
  Deno.exit(1);
}
