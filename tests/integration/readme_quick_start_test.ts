import { assert, assertEquals } from "@std/assert";
import { ROOT } from "../../tools/launch.ts";
import { broker } from "../support/broker.ts";
import { program } from "../support/program.ts";

Deno.test("README: the quick start works, with the permissions that it names", async () => {
  const readme = await Deno.readTextFile(`${ROOT}README.md`);
  const [, source, command] =
    /\n## Quick start\n[^]*?```ts\n([^]*?)```\n\n```sh\ndeno run (.*) main\.ts\n```/.exec(readme) ??
      [];
  assert(source !== undefined && command !== undefined, "README.md has a quick start");
  const flags = command.replaceAll('"', "")
    .replace("localhost:5672", `${broker.hostname}:${broker.port}`).split(" ");
  await using running = await program(source, { flags });
  await running.waitFor("received hello\n");
  await running.waitFor("sent, and confirmed by the broker\n");
  running.kill("SIGINT");
  assertEquals((await running.ended).code, 0, running.output.stderr);
});
