/** What the broker, which must be our own, knows of a queue. */

import { evaluate } from "./broker.ts";

/** A queue as the broker sees it. */
export interface QueueAtBroker {
  /** How many messages are ready. */
  readonly ready: number;
  /** How many were delivered and not acknowledged. */
  readonly unacknowledged: number;
  /** The prefetch of each consumer. */
  readonly prefetches: readonly number[];
  readonly isExclusive: boolean;
  readonly isDurable: boolean;
  /** The arguments it was declared with, as Erlang shows them. */
  readonly arguments: string;
}

/** Looks a queue up; `undefined` where there is none of this name. */
export async function queueAtBroker(name: string): Promise<QueueAtBroker | undefined> {
  const answer = await evaluate(`
    case rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"${name}">>)) of
      {ok, Queue} ->
        [{_, Ready}, {_, Unacknowledged}, {_, Durable}, {_, Arguments}] = rabbit_amqqueue:info(
          Queue, [messages_ready, messages_unacknowledged, durable, arguments]),
        Prefetches = [element(4, Consumer) || Consumer <- rabbit_amqqueue:consumers(Queue)],
        Exclusive = amqqueue:get_exclusive_owner(Queue) =/= none,
        lists:flatten(io_lib:format("~w ~w ~w ~w ~w ~p",
          [Ready, Unacknowledged, Exclusive, Durable, Prefetches, Arguments]));
      _ -> "none"
    end.
  `);
  const [, ready, unacknowledged, exclusive, durable, prefetches, rest] =
    /^"(\d+) (\d+) (true|false) (true|false) \[([\d,]*)\] ([^]*)"$/.exec(answer) ?? [];
  if (ready === undefined) {
    if (answer === '"none"') return undefined;
    throw new Error(`Cannot read what the broker says of queue ${name}: ${answer}`);
  }
  return {
    ready: Number(ready),
    unacknowledged: Number(unacknowledged),
    prefetches: prefetches === "" ? [] : prefetches.split(",").map(Number),
    isExclusive: exclusive === "true",
    isDurable: durable === "true",
    arguments: rest.replaceAll('\\"', '"'),
  };
}
