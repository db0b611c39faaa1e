import { Connection } from "./connection.ts";
import { ConfigurationError } from "./errors.ts";
import { show } from "./validate.ts";

/** The connection that a publisher or consumer was given, or the shared one. */
export function useConnection(connection: unknown): Connection {
  if (connection === undefined) return Connection.default;
  if (connection instanceof Connection) return connection;
  throw new ConfigurationError(
    `Cannot use option "connection": received ${show(connection)}: it must be a Connection`,
  );
}
