/**
 * `deno task test:versions [--broker=3|4] [2.5.0 latest …]`: runs `tests/matrix` with each version of Deno that the
 * library is said to run on, all of them from npm, on both brokers. A result that is missing counts as a failure.
 */
import { pathToFileURL } from "node:url";
import { makeCertificate } from "../tests/support/certificates.ts";
import { findBroker } from "./broker/find.ts";
import type { Broker } from "./broker/types.ts";
import { catchInterrupt } from "./interrupt.ts";
import { ROOT } from "./launch.ts";
import { readOptions, runTool } from "./options.ts";

interface Version {
  readonly name: string;
  /** What becomes of isolation "process" there. */
  readonly process: "works" | "refused";
}

const VERSIONS: readonly Version[] = [
  { name: "2.5.0", process: "refused" },
  { name: "2.5.7", process: "refused" },
  { name: "2.8", process: "works" },
  { name: "latest", process: "works" },
];

/** The results that each run of `conformance.ts` must have. */
const CHECKS = [
  "send and receive",
  "every status",
  "thread",
  "process",
  "TLS",
  "a killed connection",
];
const SERVICE_ENDS = "ended 0, 0 abandoned, 1 left";
const RUN_MS = 90_000;
const INSTALL_MS = 240_000;
const FOLDER = `${ROOT}.denos`;

interface Output {
  readonly code: number;
  readonly text: string;
}

/** Runs a program to its end, which comes in time. */
async function output(
  program: string,
  args: readonly string[],
  options: {
    timeoutMs: number;
    env?: Record<string, string>;
    seen?: (child: Deno.ChildProcess, text: string) => void;
  },
): Promise<Output> {
  const { timeoutMs, env = {}, seen } = options;
  const child = new Deno.Command(program, {
    args: [...args],
    cwd: ROOT,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let text = "";
  const collect = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    for await (const part of stream.pipeThrough(new TextDecoderStream())) {
      text += part;
      seen?.(child, text);
    }
  };
  const timer = setTimeout(() => {
    text += `\nIt is not done after ${timeoutMs / 1_000} s\n`;
    child.kill("SIGKILL");
  }, timeoutMs);
  try {
    const [{ code }] = await Promise.all([
      child.status,
      collect(child.stdout),
      collect(child.stderr),
    ]);
    return { code, text };
  } finally {
    clearTimeout(timer);
  }
}

/** The path of a version of Deno itself: what npm puts into its place may be a script that starts it. */
async function install(name: string): Promise<string> {
  const folder = `${FOLDER}/${name}`;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/package.json`, "{}");
  const args = ["install", "--no-audit", "--no-fund", "--prefix", folder, `deno@${name}`];
  const npm = Deno.build.os === "windows" ? "npm.cmd" : "npm";
  const installed = await output(npm, args, { timeoutMs: INSTALL_MS });
  const asked = installed.code === 0
    ? await output(`${folder}/node_modules/.bin/deno`, ["eval", "console.log(Deno.execPath())"], {
      timeoutMs: RUN_MS,
    })
    : installed;
  if (asked.code !== 0) throw new Error(`Cannot install deno@${name} from npm: ${asked.text}`);
  return asked.text.trim();
}

/** Where the modules are that the programs name: `deno.json` names some that are not on npm. */
async function writeImportMap(): Promise<string> {
  const { imports, name, exports } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  const map: Record<string, string> = { amqplib: imports.amqplib };
  const add = (folder: string, name: string, exports: Record<string, string>) => {
    for (const [key, path] of Object.entries(exports)) {
      map[name + key.slice(1)] = new URL(path, pathToFileURL(folder)).href;
    }
  };
  add(ROOT, name, exports);
  const async = `${ROOT}tools/offline/std/async/`;
  add(async, "@std/async", JSON.parse(await Deno.readTextFile(`${async}deno.json`)).exports);
  const path = `${FOLDER}/imports.json`;
  await Deno.writeTextFile(path, JSON.stringify({ imports: map }, null, 2));
  return path;
}

/** A listener that speaks TLS, before a broker that does not. */
function startTls(certificate: { cert: string; key: string }, broker: Broker) {
  const listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...certificate });
  const serve = async (client: Deno.TlsConn) => {
    const server = await Deno.connect({ hostname: broker.hostname, port: broker.port });
    await Promise.allSettled([
      client.readable.pipeTo(server.writable),
      server.readable.pipeTo(client.writable),
    ]);
  };
  void (async () => {
    for await (const client of listener) serve(client).catch(() => {});
  })();
  return { port: (listener.addr as Deno.NetAddr).port, close: () => listener.close() };
}

/** What the programs print, as results: each has a line, and one that has none has failed. */
async function results(
  deno: string,
  flags: readonly string[],
  env: Record<string, string>,
): Promise<Map<string, string | undefined>> {
  const args = (name: string) => ["run", ...flags, `tests/matrix/${name}.ts`];
  const made = new Map<string, string | undefined>();
  const { text } = await output(deno, args("conformance"), { timeoutMs: RUN_MS, env });
  const lines = text.split("\n");
  for (const name of CHECKS) {
    const why = lines.find((line) => line.startsWith(`not ok ${name}`)) ?? `no result: ${text}`;
    made.set(name, lines.includes(`ok ${name}`) ? undefined : why);
  }
  let told = false;
  const service = await output(deno, args("service"), {
    timeoutMs: RUN_MS,
    env,
    seen(child, text) {
      if (told || !text.includes("working")) return;
      told = true;
      child.kill("SIGTERM");
    },
  });
  const ended = service.code === 0 && service.text.includes(SERVICE_ENDS);
  made.set("run and SIGTERM", ended ? undefined : `code ${service.code}: ${service.text}`);
  return made;
}

if (import.meta.main) {
  await runTool(async () => {
    const startedAt = performance.now();
    const { want, rest } = readOptions(Deno.args);
    const versions = VERSIONS.filter(({ name }) => rest.length === 0 || rest.includes(name));
    if (versions.length === 0 || rest.length > versions.length) {
      throw new Error(
        `Cannot run ${rest}: there are ${VERSIONS.map(({ name }) => name).join(", ")}`,
      );
    }
    await Deno.mkdir(FOLDER, { recursive: true });
    const map = await writeImportMap();
    const flags = [
      "--quiet",
      "--no-prompt",
      "--allow-all",
      "--no-check",
      "--no-config",
      "--no-lock",
      `--import-map=${map}`,
    ];
    const denos: string[] = [];
    for (const { name } of versions) denos.push(await install(name));
    using interrupt = catchInterrupt();
    let passed = 0;
    let failed = 0;
    const ca = await makeCertificate();
    const certificate = await makeCertificate({ issuer: ca, names: ["localhost"] });
    const onBroker = async (wanted: "3" | "4") => {
      const broker = await findBroker({ want: wanted, log: console.log });
      const tls = startTls(certificate, broker);
      try {
        const { username, password } = broker;
        const tlsUrl = `amqps://${username}:${password}@localhost:${tls.port}`;
        for (const [index, version] of versions.entries()) {
          if (interrupt.signal.aborted) return;
          const made = await results(denos[index], flags, {
            RABBITMQ_URL: broker.url,
            MATRIX_TLS_URL: tlsUrl,
            MATRIX_CA: ca.cert,
            MATRIX_PROCESS: version.process,
          });
          for (const [name, why] of made) {
            const where = `deno@${version.name} on RabbitMQ ${broker.version}`;
            console.log(`  ${where}: ${name} ... ${why ?? "ok"}`);
            if (why === undefined) passed++;
            else failed++;
          }
        }
      } finally {
        tls.close();
        await broker.stop();
      }
    };
    // At the same time, as most of the time they wait.
    const brokers = want === "any" ? ["4", "3"] as const : [want];
    const ended = await Promise.allSettled(brokers.map(onBroker));
    if (interrupt.signal.aborted) return interrupt.signal.reason;
    for (const one of ended) {
      if (one.status === "fulfilled") continue;
      console.log(one.reason instanceof Error ? one.reason.message : one.reason);
      failed++;
    }
    console.log(`Took ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`);
    console.log(`${passed} passed, ${failed} failed`);
    return failed === 0 && passed > 0 ? 0 : 1;
  });
}
