import { delay } from "@std/async/delay";
import { guestAt } from "./address.ts";
import { output, run, succeeds } from "./command.ts";
import { controls } from "./control.ts";
import { freePort } from "./ports.ts";
import { greetIfThere } from "./probe.ts";
import type { Broker, Log } from "./types.ts";

const START_TIMEOUT_MS = 120_000;

/** How long the broker may take to end in good order. */
const GRACE_MS = 15_000;

/**
 * Runs in the container, where there is a shell whatever the machine is. Docker closes its standard input when we close
 * ours, and also when we, or its client, are killed: the broker ends then, and the container with it. Ctrl-C, which the
 * client passes on, is for us alone.
 */
const WHILE_WE_LIVE = `
exec 3<&0
docker-entrypoint.sh rabbitmq-server </dev/null 3<&- &
broker=$!
trap '' INT HUP TERM
{ read -r ignored <&3; kill "$broker"; } &
wait "$broker"
`;

/** Whether a Docker engine answers; its client alone is of no use. */
export function dockerAnswers(): Promise<boolean> {
  return succeeds("docker", "info");
}

/** Starts a broker in a container that is removed at the end. */
export async function startContainer(
  options: { readonly image: string; readonly preferPort?: number; readonly log: Log },
): Promise<Broker> {
  const { image, preferPort, log } = options;
  if (!await succeeds("docker", "image", "inspect", image)) {
    log(`Pulling ${image} (once) ...`);
    await output(["docker", "pull", "--quiet", image]);
  }
  const name = `lapinmq-${crypto.randomUUID()}`;
  const port = freePort(preferPort);
  // The container would see only the address of Docker's bridge, from which guest may not log in.
  const environment = [
    "--env",
    "RABBITMQ_DEFAULT_USER=guest",
    "--env",
    "RABBITMQ_DEFAULT_PASS=guest",
  ];
  const publish = ["--publish", `127.0.0.1:${port}:5672`];
  const container = new Deno.Command("docker", {
    args: [
      "run",
      "--rm",
      "--interactive",
      "--name",
      name,
      "--hostname",
      "rabbit",
      ...environment,
      ...publish,
      image,
      "sh",
      "-c",
      WHILE_WE_LIVE,
    ],
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  let hasEnded = false;
  const ended = container.status.then(() => hasEnded = true);
  const stop = async () => {
    const grace = new AbortController();
    await container.stdin.close().catch(() => {}); // It has ended already.
    await Promise.race([ended, delay(GRACE_MS, { signal: grace.signal }).catch(() => {})]);
    grace.abort();
    // The client may have been killed although its container lives on.
    await run(["docker", "rm", "--force", "--volumes", name]);
    await ended;
  };
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!hasEnded && Date.now() < deadline) {
    const greeting = await greetIfThere({ hostname: "127.0.0.1", port });
    if (greeting) {
      return {
        ...guestAt(port),
        ...controls({ ctl: ["docker", "exec", name, "rabbitmqctl", "-q"], evaluate: [] }),
        version: greeting.version,
        origin: `RabbitMQ ${greeting.version} in Docker (${image}) on port ${port}`,
        own: true,
        server: { kind: "docker", image },
        stop,
      };
    }
    await delay(200);
  }
  await stop();
  throw new Error(
    `Cannot start ${image} in Docker: it did not answer: try docker run --rm ${image} to see why`,
  );
}
