import type { FromTask, ToTask } from "./wire.ts";

/** How a thread or process speaks with the program that started it. */
export interface TaskPort {
  /** Tells the program. */
  post(message: FromTask): void;
  /** Sets who is told what arrives, in its order. Called once. */
  listen(listener: (message: ToTask) => void): void;
}
