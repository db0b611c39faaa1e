/** A task module: it computes for seconds without awaiting anything. */

import { defineTask, MessageStatus } from "@lapinmq/lapinmq/task";

function countPrimes(below: number): number {
  let count = 0;
  for (let number = 2; number < below; number++) {
    let divisor = 2;
    while (divisor * divisor <= number && number % divisor !== 0) divisor++;
    if (divisor * divisor > number) count++;
  }
  return count;
}

export default defineTask((message) => {
  const below = message.json<number>();
  console.log(`${countPrimes(below)} primes below ${below}`);
  return MessageStatus.SUCCESS;
});
