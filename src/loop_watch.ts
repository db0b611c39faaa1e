import { unrefTimer } from "./runtime.ts";

const TICK_MS = 250;
/** If there are no heartbeats that would set the measure. */
const DEFAULT_LIMIT_MS = 5_000;

/** Told when the event loop had stood still, for how many milliseconds at least. */
export type LoopObserver = (blockedMs: number) => void;

/**
 * Notices that the event loop of the program stood still: while a task computes without awaiting
 * anything, no heartbeat is sent and no message read. It ticks only while somebody observes it.
 */
export class LoopWatch {
  #limitMs: number = DEFAULT_LIMIT_MS;
  #now: () => number;
  #observers = new Set<LoopObserver>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #lastTick = 0;
  #gap = 0;

  /** @param heartbeatSeconds Half of this is too long; 0 if there are no heartbeats. */
  constructor(heartbeatSeconds: number, now: () => number = () => performance.now()) {
    this.heartbeatSeconds = heartbeatSeconds;
    this.#now = now;
  }

  /** Measures by this interval from now on. */
  set heartbeatSeconds(seconds: number) {
    this.#limitMs = seconds === 0 ? DEFAULT_LIMIT_MS : seconds * 500;
  }

  /** Numbers the stretches between two ticks, so that one can tell what ran in the present one. */
  get gap(): number {
    return this.#gap;
  }

  /** @returns Ends the observation. */
  observe(observer: LoopObserver): () => void {
    this.#observers.add(observer);
    if (this.#timer === undefined) {
      this.#lastTick = this.#now();
      this.#timer = setInterval(() => this.#tick(), TICK_MS);
      unrefTimer(this.#timer);
    }
    return () => {
      this.#observers.delete(observer);
      if (this.#observers.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }

  #tick(): void {
    const now = this.#now();
    const blockedMs = Math.round(now - this.#lastTick - TICK_MS);
    this.#lastTick = now;
    if (blockedMs >= this.#limitMs) {
      for (const observer of [...this.#observers]) observer(blockedMs);
    }
    this.#gap++;
  }
}
