/** A `docker` of our own, which runs the command of its container on this machine, where no engine is. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { launch } from "../../tools/launch.ts";
import { eventually } from "../support/eventually.ts";

const ignore = Deno.build.os === "windows"; // The stand-in is a script, and the container has no shell.

const DOCKER = `#!/bin/sh
folder=\${0%/*}
line=
while [ $# -gt 0 ] && [ "$1" != sh ]; do
  line="$line $1"
  case $1 in 127.0.0.1:*:5672) port=\${1#*:}; export PORT="\${port%:*}" ;; esac
  shift
done
echo "docker$line" >>"$folder/calls"
[ $# -eq 0 ] || exec "$@"
`;

const ENTRYPOINT = `#!/bin/sh
folder=\${0%/*}
echo "$*" >>"$folder/calls"
exec "$DENO" run --quiet --no-config --allow-all "$folder/server.ts" "$folder" "$PORT"
`;

/** Greets as a broker does, until SIGTERM. */
const SERVER = `
const [folder, port] = Deno.args;
const text = "\\x07versionS\\0\\0\\0\\x054.0.0";
const bytes = new TextEncoder().encode("\\x01\\0\\0\\0\\0\\0" + String.fromCharCode(text.length + 4) +
  "\\0\\x0a\\0\\x0a" + text + "\\0");
bytes[bytes.length - 1] = 0xce;
Deno.addSignalListener("SIGTERM", () => {
  Deno.writeTextFileSync(folder + "/ended", "in good order");
  Deno.exit();
});
for await (const socket of Deno.listen({ hostname: "127.0.0.1", port: Number(port) })) {
  await socket.write(bytes);
  while (await socket.read(new Uint8Array(64)).catch(() => null) !== null);
  socket.close();
}
`;

/** Starts a container, and stops it when its own standard input ends. */
const PROGRAM = `
import { startContainer } from "${import.meta.resolve("../../tools/broker/docker.ts")}";
const broker = await startContainer({ image: "rabbitmq:4", log: () => {} });
console.log(broker.origin);
await Deno.stdin.readable.pipeTo(new WritableStream());
await broker.stop();
`;

async function makeProgram(folder: string, name: string, text: string): Promise<void> {
  await Deno.writeTextFile(`${folder}/${name}`, text, { mode: 0o755 });
}

async function textOf(path: string): Promise<string | undefined> {
  return await Deno.readTextFile(path).catch(() => undefined);
}

/** Runs the program until its broker answers, and lets `end` end it. */
async function withContainer(
  end: (child: Deno.ChildProcess) => unknown,
  check: (calls: string[]) => void,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "lapinmq-docker-" });
  try {
    await makeProgram(folder, "docker", DOCKER);
    await makeProgram(folder, "docker-entrypoint.sh", ENTRYPOINT);
    await makeProgram(folder, "server.ts", SERVER);
    const environment = {
      ...Deno.env.toObject(),
      PATH: `${folder}:${Deno.env.get("PATH")}`,
      DENO: Deno.execPath(),
    };
    const child = launch(["eval", PROGRAM], { environment, stdin: "piped", stdout: "piped" });
    const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    assertStringIncludes(
      (await output.read()).value ?? "",
      "RabbitMQ 4.0.0 in Docker (rabbitmq:4)",
    );
    await end(child);
    await child.status;
    await child.stdin.close().catch(() => {});
    await output.cancel();
    await eventually("the broker has ended", () => textOf(`${folder}/ended`));
    check((await textOf(`${folder}/calls`))!.trim().split("\n"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test({
  name: "startContainer runs a broker, and stop() ends it in good order and removes it",
  ignore,
  fn: () =>
    withContainer((child) => child.stdin.close(), (calls) => {
      const [inspect, run, entrypoint, remove] = calls;
      assertEquals(inspect, "docker image inspect rabbitmq:4");
      const name = run.match(/^docker run --rm --interactive --name (lapinmq-\S+) /)?.[1];
      assert(name !== undefined, run);
      assert(run.endsWith(" rabbitmq:4"), run);
      assertEquals(entrypoint, "rabbitmq-server");
      assertEquals(remove, `docker rm --force --volumes ${name}`);
      assertEquals(calls.length, 4);
    }),
});

Deno.test({
  name: "startContainer leaves no broker behind when its program is killed",
  ignore,
  fn: () =>
    withContainer((child) => child.kill("SIGKILL"), (calls) => {
      assertEquals(calls.length, 3, "Nobody was left to remove it");
    }),
});
