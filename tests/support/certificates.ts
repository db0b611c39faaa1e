/** Certificates made with openssl, for one run of a test file. */

/** Whether openssl is installed: without it, tests of TLS cannot be run. */
export const hasOpenssl = await succeeds(["version"]);

/** A certificate and its private key, in PEM form. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Makes an authority, or with `issuer` a certificate for these names, which expires in so many days. */
export async function makeCertificate(
  options: { issuer?: Certificate; names?: readonly string[]; days?: number } = {},
): Promise<Certificate> {
  const { issuer, names = [], days = 2 } = options;
  const folder = await Deno.makeTempDir({ prefix: "lapinmq-certificates-" });
  const file = (name: string) => `${folder}/${name}`;
  try {
    const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    const out = ["-keyout", file("key.pem"), "-out", file("cert.pem")];
    const request = ["req", ...newKey, ...out, "-subj", `/CN=${names[0] ?? "Test authority"}`];
    if (issuer === undefined) {
      const isAuthority = names.length === 0;
      const lines = isAuthority
        ? ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"]
        : ["basicConstraints=critical,CA:FALSE", alternativeNames(names)];
      const extensions = lines.flatMap((line) => ["-addext", line]);
      await openssl([...request, "-x509", "-days", "2", ...extensions]);
    } else {
      await openssl(request);
      await Deno.writeTextFile(file("ca.pem"), issuer.cert);
      await Deno.writeTextFile(file("ca.key"), issuer.key);
      await Deno.writeTextFile(file("extensions"), alternativeNames(names));
      await Deno.rename(file("cert.pem"), file("request.pem"));
      await openssl([
        ...[
          "x509",
          "-req",
          "-in",
          file("request.pem"),
          "-out",
          file("cert.pem"),
          "-days",
          `${days}`,
        ],
        ...["-CA", file("ca.pem"), "-CAkey", file("ca.key"), "-CAcreateserial"],
        ...["-extfile", file("extensions")],
      ]);
    }
    return {
      cert: await Deno.readTextFile(file("cert.pem")),
      key: await Deno.readTextFile(file("key.pem")),
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function alternativeNames(names: readonly string[]): string {
  const entries = names.map((name) => /^[0-9.]+$/.test(name) ? `IP:${name}` : `DNS:${name}`);
  return `subjectAltName=${entries.join(",")}`;
}

async function openssl(args: readonly string[]): Promise<void> {
  const command = new Deno.Command("openssl", { args: [...args], stdout: "null", stderr: "piped" });
  const { success, stderr } = await command.output();
  if (!success) {
    throw new Error(`Cannot run openssl ${args[0]}: ${new TextDecoder().decode(stderr)}`);
  }
}

async function succeeds(args: string[]): Promise<boolean> {
  try {
    return (await new Deno.Command("openssl", { args, stdout: "null", stderr: "null" }).output())
      .success;
  } catch {
    return false;
  }
}
