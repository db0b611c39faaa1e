import { assert, assertEquals } from "@std/assert";
import type { TaskPermissions } from "../../src/isolation/process_flags.ts";
import { processOf, wireMessage } from "../support/task_processes.ts";
import { runProgram } from "../support/small_programs.ts";

/** Tries what a permission is for, and names what was refused. */
const TRY_ALL = `
  const attempts = {
    read: () => Deno.readTextFileSync("/etc/hostname"),
    write: () => Deno.writeTextFileSync("/tmp/lapinmq_never", ""),
    net: () => Deno.connect({ hostname: "127.0.0.1", port: 47123 }),
    env: () => Deno.env.get("HOME"),
    run: () => new Deno.Command("true").outputSync(),
    sys: () => Deno.hostname(),
    ffi: () => Deno.dlopen("/no/such.so", {}),
    import: () => import("http://127.0.0.1:47123/" + Math.random()),
  };
  async function refused() {
    const names = [];
    for (const [name, attempt] of Object.entries(attempts)) {
      try {
        await attempt();
      } catch (error) {
        // A module that may not be imported is a TypeError of its own.
        if (error instanceof Deno.errors.NotCapable || error.message.startsWith("Requires")) names.push(name);
      }
    }
    return names.join();
  }
  export default defineTask(async () => { throw new Error(await refused()); });`;

async function refusedWith(permissions: TaskPermissions): Promise<string | undefined> {
  await using worker = await processOf(TRY_ALL, { permissions });
  return (await worker.run(wireMessage({}))).failure?.message;
}

Deno.test("taskPermissions takes all from the process", async () => {
  assertEquals(await refusedWith("none"), "read,write,net,env,run,sys,ffi,import");
});

Deno.test("taskPermissions leaves no host to import from but that of the module and of jsr:", async () => {
  const source = `export default defineTask(() => {
    const hosts = ["esm.sh:443", "raw.githubusercontent.com:443", "deno.land:443", "jsr.io:443"];
    throw new Error(hosts.filter((host) =>
      Deno.permissions.querySync({ name: "import", host }).state === "granted"
    ).join());
  });`;
  for (const permissions of ["none", {}, { env: true }] as const) {
    await using worker = await processOf(source, { permissions });
    assertEquals((await worker.run(wireMessage({}))).failure?.message, "jsr.io:443");
  }
});

Deno.test("taskPermissions leaves the process what it names", async () => {
  assertEquals(
    await refusedWith({ env: true, read: ["/etc/hostname"], net: ["127.0.0.1:47123"] }),
    "write,run,sys,ffi,import",
  );
  assertEquals(
    await refusedWith({ env: ["PATH"], read: ["/tmp"] }),
    "read,write,net,env,run,sys,ffi,import",
  );
  assertEquals(
    await refusedWith({ import: ["127.0.0.1:47123"] }),
    "read,write,net,env,run,sys,ffi",
  );
});

Deno.test("taskPermissions hands down what the program has", async () => {
  assertEquals(await refusedWith("inherit"), "");
});

const PROGRAM = `
  import { dataModule, wireMessage } from "./task_processes.ts";
  import { ProcessWorker } from "../../src/isolation/process_worker.ts";
  try {
    const worker = new ProcessWorker(dataModule(${
  JSON.stringify(TRY_ALL)
}), { permissions: "inherit", runFlags: [] });
    await worker.ready;
    console.log("refused " + (await worker.run(wireMessage({}))).failure.message);
    await worker.end();
  } catch (error) {
    console.log(error.name + ": " + error.message);
  }`;
const RUN = `--allow-run=${Deno.execPath()}`;

Deno.test("taskPermissions hands down nothing that the program has in part or not at all", async () => {
  const { stdout } = await runProgram(PROGRAM, [
    RUN,
    "--allow-env",
    "--allow-read",
    "--deny-read=/no/such",
    "--allow-net=127.0.0.1:47123",
    "--allow-sys",
  ]);
  assertEquals(stdout, "refused read,write,net,run,ffi,import\n");
});

Deno.test("A process needs --allow-run of Deno and --allow-env, and says so", async () => {
  const without = async (...flags: string[]) => (await runProgram(PROGRAM, flags)).stdout;
  assertEquals(
    await without("--allow-env"),
    "ConfigurationError: Cannot start a process for the task module: the program may not run " +
      `Deno: run it with --allow-run=${Deno.execPath()}\n`,
  );
  assert((await without(RUN)).includes("run it with --allow-env;"));
  assert((await without(RUN, "--allow-env=HOME")).includes("run it with --allow-env;"));
  assert((await without(RUN, "--allow-env")).startsWith("refused "));
});

Deno.test("A task module that starts processes of its own as it is loaded is refused", async () => {
  const source = `
    import { ProcessWorker } from ${
    JSON.stringify(new URL("../../src/isolation/process_worker.ts", import.meta.url))
  };
    new ProcessWorker(import.meta.url, { permissions: "inherit", runFlags: [] });`;
  const { stdout } = await runProgram(
    `import { ProcessWorker } from "../../src/isolation/process_worker.ts";
     import { dataModule } from "./task_processes.ts";
     const worker = new ProcessWorker(dataModule(${
      JSON.stringify(source)
    }), { permissions: "inherit", runFlags: [] });
     await worker.ready.catch((error) => console.log(error.message));
     await worker.ended;`,
    ["--allow-all"],
  );
  assert(stdout.includes("this is such a process already"), stdout);
});
