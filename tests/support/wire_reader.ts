/** Cuts into frames what a server writes, as a client that knows the protocol does. */

/** More than that in one frame is refused by the client. */
const LARGEST_PAYLOAD = 64 * 1024 * 1024;

/** A frame as it went over the wire. */
export interface WireFrame {
  readonly type: number;
  readonly channel: number;
  readonly payload: Uint8Array;
}

export class WireReader {
  #rest: number[] = [];
  #broken = false;

  /** Whether a frame has begun that is not complete. */
  get midFrame(): boolean {
    return !this.#broken && this.#rest.length > 0;
  }

  /** The frames that are complete with these bytes; none after one that is none. */
  read(bytes: readonly number[]): WireFrame[] {
    const frames: WireFrame[] = [];
    if (this.#broken) return frames;
    const all = this.#rest.length === 0 ? bytes : [...this.#rest, ...bytes];
    let start = 0;
    while (all.length - start >= 7) {
      const size = ((all[start + 3] << 24) | (all[start + 4] << 16) | (all[start + 5] << 8) |
        all[start + 6]) >>> 0;
      const end = start + 7 + size;
      this.#broken = size > LARGEST_PAYLOAD || (all.length > end && all[end] !== 0xCE);
      if (this.#broken) return frames;
      if (all.length <= end) break;
      frames.push({
        type: all[start],
        channel: all[start + 1] << 8 | all[start + 2],
        payload: Uint8Array.from(all.slice(start + 7, end)),
      });
      start = end + 1;
    }
    this.#rest = all.slice(start);
    return frames;
  }
}
