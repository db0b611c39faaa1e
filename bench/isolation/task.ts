/** The task of the benchmark of threads and processes: its message says what it does. */

import { defineTask, MessageStatus, type TaskMessage, type TaskStatus } from "../../src/task.ts";

/** What keeps the compiler from leaving out what is computed. */
let sum = 0;

/**
 * The task: a body that begins with 0 is of no account; another is text, `ROUNDS` to compute. The
 * message is rejected then, so that whoever takes the dead letters sees when it was done.
 */
export function task(message: TaskMessage): TaskStatus {
  if (message.body[0] === 0) return MessageStatus.SUCCESS;
  const rounds = Number(message.text());
  for (let round = 0; round < rounds; round++) sum = (sum * 31 + round) % 1_000_003;
  return MessageStatus.FAIL_DO_NOT_RETRY;
}

export default defineTask(task);
