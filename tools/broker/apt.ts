import { output, succeeds } from "./command.ts";
import { installedServer, type Server } from "./server.ts";
import type { Log } from "./types.ts";

const SERVICE_POLICY = "/usr/sbin/policy-rc.d";

/** Whether packages can be installed here: Debian or Ubuntu, as root. */
export async function canInstall(): Promise<boolean> {
  return Deno.build.os === "linux" && Deno.uid() === 0 &&
    await succeeds("sh", "-c", "command -v apt-get");
}

/** Installs packages, and starts none of the services in them. */
export async function install(...packages: string[]): Promise<void> {
  const environment = { ...Deno.env.toObject(), DEBIAN_FRONTEND: "noninteractive" };
  const restore = await forbidServices();
  try {
    await output(["apt-get", "-qq", "update"], { environment });
    await output(["apt-get", "-qq", "-y", "--no-install-recommends", "install", ...packages], {
      environment,
    });
  } finally {
    await restore();
  }
}

/** Debian's own way to say that an installation must start no service; left alone if the machine has a policy. */
async function forbidServices(): Promise<() => Promise<void>> {
  try {
    await Deno.writeTextFile(SERVICE_POLICY, "#!/bin/sh\nexit 101\n", {
      mode: 0o755,
      createNew: true,
    });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return async () => {};
    throw error;
  }
  return () => Deno.remove(SERVICE_POLICY);
}

/** Installs RabbitMQ from the system's packages. */
export async function installServer(log: Log): Promise<Server> {
  log("Installing rabbitmq-server with apt-get (once, about a minute) ...");
  await install("rabbitmq-server");
  const server = await installedServer();
  if (!server) {
    throw new Error(
      "Cannot find rabbitmq-server after its installation: start a broker and set RABBITMQ_URL",
    );
  }
  return server;
}
