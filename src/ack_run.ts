/** One acknowledgement as it is written: of one delivery, or of all up to it. */
export interface AckFrame {
  readonly tag: number;
  readonly multiple: boolean;
}

/**
 * Puts the acknowledgements of one turn into as few frames as possible. Those below the lowest
 * delivery that is still being worked on are all the channel has up to there, so that one frame with
 * `multiple` says them all (AMQP 0-9-1, `basic.ack`); behind a slow task each takes its own.
 *
 * @param tags What is to be acknowledged and was not yet: in any order, not empty.
 * @param lowestHeld The lowest tag that the channel holds beside these; infinity if there is none.
 */
export function ackFrames(tags: readonly number[], lowestHeld: number): AckFrame[] {
  const frames: AckFrame[] = [];
  let below = 0;
  let highest = 0;
  for (const tag of tags) {
    if (tag > lowestHeld) {
      frames.push({ tag, multiple: false });
    } else {
      below++;
      if (tag > highest) highest = tag;
    }
  }
  // The highest is not settled yet, or the broker would not know it and close the channel.
  if (below > 0) frames.unshift({ tag: highest, multiple: below > 1 });
  return frames;
}
