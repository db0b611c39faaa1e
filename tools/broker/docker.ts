import { delay } from "@std/async/delay";
import { guestAt } from "./address.ts";
import { output, run, succeeds } from "./command.ts";
import { controls } from "./control.ts";
import { freePort } from "./ports.ts";
import { greetIfThere } from "./probe.ts";
import { supervise } from "./supervise.ts";
import type { Broker, Log } from "./types.ts";

const START_TIMEOUT_MS = 120_000;

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
  const container = await supervise(
    [
      "docker",
      "run",
      "--rm",
      "--name",
      name,
      "--hostname",
      "rabbit",
      ...environment,
      ...publish,
      image,
    ],
  );
  let hasEnded = false;
  container.ended.then(() => hasEnded = true);
  const stop = async () => {
    await container.stop();
    // The client may have been killed where its container lives on.
    await run(["docker", "rm", "--force", "--volumes", name]);
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
