import { parse } from "@std/dotenv/parse";
import { type Account, guestAt, namedAccount } from "./address.ts";
import { canInstall, installServer } from "./apt.ts";
import { debianFolder } from "./debian_folder.ts";
import { dockerAnswers, startContainer } from "./docker.ts";
import { startNode } from "./node.ts";
import { greetIfThere } from "./probe.ts";
import { installedServer } from "./server.ts";
import type { Broker, Log } from "./types.ts";

/** `any` is whatever is at hand; the others are started, whatever else runs. */
export type Wanted = "any" | "3" | "4";

export interface FindOptions {
  /** @default {"any"} */
  readonly want?: Wanted;
  /** Where a broker that is started should listen, if that port is free. */
  readonly preferPort?: number;
  readonly log?: Log;
}

const CHOICES = `Cannot find a RabbitMQ, nor start one: give one of
  - a broker of yours: set RABBITMQ_URL, or RABBITMQ_HOST (with _PORT, _USERNAME, _PASSWORD, _VHOST)
  - Docker that runs, for rabbitmq:4; or by hand, in another terminal:
      docker run --rm -p 5672:5672 rabbitmq:4
  - a Mac with Homebrew:
      brew install rabbitmq && brew services start rabbitmq
  - Windows with Chocolatey, as administrator:
      choco install rabbitmq
  - Debian or Ubuntu, as root (this task does it by itself):
      apt-get install rabbitmq-server
What answers on localhost:5672 to guest/guest is found.`;

/**
 * The broker to work with, in this order: the one that the user names, one on localhost:5672, one in Docker, one from
 * this machine's `rabbitmq-server`, and that after an installation from apt. `stop()` it at the end.
 *
 * @throws {Error} That lists the choices, when none is there.
 */
export async function findBroker(options: FindOptions = {}): Promise<Broker> {
  const { want = "any", preferPort, log = () => {} } = options;
  const broker = await choose(want, preferPort, log);
  log(`Broker: ${broker.origin}`);
  return broker;
}

async function choose(want: Wanted, preferPort: number | undefined, log: Log): Promise<Broker> {
  switch (want) {
    case "4":
      if (await dockerAnswers()) return startContainer({ image: "rabbitmq:4", preferPort, log });
      return startNode({ server: await debianFolder(log), preferPort });
    case "3":
      return await fromMachine(preferPort, log) ?? fail(CHOICES);
    case "any": {
      const running = await theUsersOwn();
      if (running) return running;
      if (await dockerAnswers()) return startContainer({ image: "rabbitmq:4", preferPort, log });
      return await fromMachine(preferPort, log) ?? fail(CHOICES);
    }
  }
}

async function theUsersOwn(): Promise<Broker | undefined> {
  const named = namedAccount({ ...await dotenv(), ...Deno.env.toObject() });
  if (named) {
    const place = `${named.hostname}:${named.port}`;
    const greeting = await greetIfThere(named, { timeoutMs: 5_000 });
    // A broker behind TLS does not greet in plain text: the program itself will find out.
    if (!greeting && !named.url.startsWith("amqps:")) {
      fail(
        `Cannot use the broker named by RABBITMQ_*: ${place} does not answer as one: start it, or unset them`,
      );
    }
    return borrowed(named, greeting?.version ?? "", `named by RABBITMQ_* at ${place}`);
  }
  const guest = guestAt(5672);
  const greeting = await greetIfThere(guest, { login: guest });
  return greeting && borrowed(guest, greeting.version, "running on localhost:5672");
}

async function fromMachine(preferPort: number | undefined, log: Log): Promise<Broker | undefined> {
  const server = await installedServer() ??
    (await canInstall() ? await installServer(log) : undefined);
  return server && startNode({ server, preferPort });
}

function borrowed(account: Account, version: string, where: string): Broker {
  const origin = `RabbitMQ ${version} ${where}`.replace("  ", " ");
  return { ...account, version, origin, own: false, stop: async () => {} };
}

async function dotenv(): Promise<Record<string, string>> {
  try {
    return parse(await Deno.readTextFile(new URL("../../.env", import.meta.url)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return {};
    throw error;
  }
}

function fail(message: string): never {
  throw new Error(message);
}
