import { type Account, variablesOf } from "./address.ts";
import { controls } from "./control.ts";
import type { Server } from "./server.ts";
import type { Broker, Control } from "./types.ts";

/** Carries the description of a broker from the runner of the tests to the tests. */
const VARIABLE = "LAPINMQ_TEST_BROKER";

interface Description extends Account {
  readonly version: string;
  readonly origin: string;
  readonly own: boolean;
  readonly server?: Server;
  readonly control?: Control;
}

/** The environment of a program that shall use this broker, and no other. */
export function environmentFor(broker: Broker): Record<string, string> {
  const { url, hostname, port, username, password, vhost, version, origin, own, server, control } =
    broker;
  const description: Description = {
    url,
    hostname,
    port,
    username,
    password,
    vhost,
    version,
    origin,
    own,
    server,
    control,
  };
  const others = Object.entries(Deno.env.toObject()).filter(([name]) =>
    !name.startsWith("RABBITMQ_")
  );
  return {
    ...Object.fromEntries(others),
    ...variablesOf(broker),
    [VARIABLE]: JSON.stringify(description),
  };
}

/**
 * The broker that the runner of the tests has chosen, in a test. Its `stop()` does nothing: the runner does that.
 *
 * @throws {Error} Outside of `deno task test`.
 */
export function brokerFromEnvironment(): Broker {
  const text = Deno.env.get(VARIABLE);
  if (!text) throw new Error("Cannot find the broker of the tests: run them with deno task test");
  const { control, ...description }: Description = JSON.parse(text);
  return { ...description, ...(control ? controls(control) : {}), stop: async () => {} };
}
