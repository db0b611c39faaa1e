/**
 * Runs callbacks at once, but for those that come up within one of them, which have a turn of their
 * own: a callback that causes its own successor must neither overflow the stack nor keep everything
 * else from running.
 */
export class Unnested {
  #running = false;

  run(callback: () => void): void {
    if (this.#running) return void setTimeout(() => this.run(callback), 0);
    this.#running = true;
    try {
      callback();
    } finally {
      this.#running = false;
    }
  }
}
