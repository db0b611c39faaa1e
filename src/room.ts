/** Back-pressure as a promise, like `WritableStreamDefaultWriter.ready`. */
export class Room {
  #hasRoom: () => boolean;
  #waiting: PromiseWithResolvers<void> | undefined;

  /** @param hasRoom Whether there is room at the moment. */
  constructor(hasRoom: () => boolean) {
    this.#hasRoom = hasRoom;
  }

  /** Resolved while there is room, pending while there is none. */
  get ready(): Promise<void> {
    if (this.#hasRoom()) return Promise.resolve();
    if (this.#waiting === undefined) {
      this.#waiting = Promise.withResolvers();
      this.#waiting.promise.catch(() => {}); // Only who awaits it is to hear of a rejection.
    }
    return this.#waiting.promise;
  }

  /** To be called when something went out. */
  update(): void {
    if (this.#waiting === undefined || !this.#hasRoom()) return;
    this.#waiting.resolve();
    this.#waiting = undefined;
  }

  /** Rejects who waits: there will be no room. */
  close(reason: Error): void {
    this.#waiting?.reject(reason);
    this.#waiting = undefined;
  }
}
