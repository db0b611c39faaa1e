import type { Job } from "../workload.ts";

const MS = 1_000;

/**
 * Waits until the broker has taken over what was acknowledged. A quorum queue does that in its own
 * time, and a channel that closes before loses the acknowledgements that wait: their messages go back
 * to the queue, where they would count as not acknowledged.
 */
export async function takenOver({ workload }: Job): Promise<void> {
  if (workload.queueType === "quorum") await new Promise((resolve) => setTimeout(resolve, MS));
}
