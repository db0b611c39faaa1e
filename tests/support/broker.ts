/** The broker of the tests, and what it says of the connections and channels it holds. */

import { brokerFromEnvironment } from "../../tools/broker.ts";
import { Connection, type ConnectionOptions } from "../../mod.ts";

/** The broker that the test runner chose. */
export const broker = brokerFromEnvironment();

/** For `ignore`: tests that control the broker run only against one that the runner started. */
export const notOurs = !broker.own;

/** Whether the broker is of RabbitMQ 4. */
export const isVersion4 = Number(broker.version.split(".")[0]) >= 4;

/** A connection of its own for one test, silent unless the test says otherwise. */
export function connectionForTest(options: ConnectionOptions = {}): Connection {
  return new Connection({
    ...(options.hostname === undefined && options.port === undefined ? { url: broker.url } : {}),
    logger: null,
    ...options,
  });
}

/** The value of an Erlang expression on the broker, which must be our own. */
export async function evaluate(expression: string): Promise<string> {
  if (broker.evaluate === undefined) throw new Error("Cannot control the broker: it is not ours");
  return await broker.evaluate(expression);
}

/** What the broker holds open for connections of one name. */
export interface OpenAtBroker {
  /** The process ids of the connections, which tell one connection from its successor. */
  readonly connections: readonly string[];
  /** How many channels they have together. */
  readonly channels: number;
}

/** Counts what is open at the broker for connections with this `connectionName`. */
export async function openAtBroker(connectionName: string): Promise<OpenAtBroker> {
  const answer = await evaluate(`
    Named = fun(Properties) ->
      lists:any(fun({<<"connection_name">>, _, Name}) -> Name =:= <<"${connectionName}">>;
                   (_) -> false end, Properties) end,
    Mine = [{Pid, Channels} || [{pid, Pid}, {client_properties, Properties}, {channels, Channels}]
      <- rabbit_networking:connection_info_all([pid, client_properties, channels]),
      Named(Properties)],
    lists:flatten(io_lib:format("~w", [[[pid_to_list(Pid), Channels] || {Pid, Channels} <- Mine]])).
  `);
  // The value is printed as the Erlang string of a list of [[pid as character codes], channels].
  const entries = [...answer.matchAll(/\[\[([0-9,]+)\],(\d+)\]/g)];
  return {
    connections: entries.map(([, codes]) => String.fromCharCode(...codes.split(",").map(Number))),
    channels: entries.reduce((sum, [, , channels]) => sum + Number(channels), 0),
  };
}
