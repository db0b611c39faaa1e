import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConfigurationError } from "../src/errors.ts";
import { checkPem } from "../src/pem.ts";
import { assertNoSecret } from "./support/secrets.ts";

const block = (label: string, body = "QUJD\nREVG") =>
  `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;

Deno.test("checkPem takes every usual form", () => {
  for (
    const text of [
      block("CERTIFICATE"),
      block("CERTIFICATE") + block("CERTIFICATE"),
      `Bag Attributes\n  friendlyName: x\n${block("CERTIFICATE")}`,
      block("CERTIFICATE").replaceAll("\n", "\r\n"),
      block("PRIVATE KEY") + block("CERTIFICATE"),
    ]
  ) {
    assertEquals(checkPem("certificate", text, "certificate"), text);
  }
  for (const label of ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"]) {
    const text = block("EC PARAMETERS") + block(label);
    assertEquals(checkPem("key", text, "private key"), text);
  }
});

Deno.test("checkPem says what else it is, and shows nothing of it", () => {
  const secret = "s3cretKeyMaterial";
  const cases: [value: unknown, kind: "certificate" | "private key", says: string][] = [
    ["/etc/ssl/client.pem", "certificate", "path of a file"],
    ["client.key", "private key", "path of a file"],
    ["C:\\certs\\client.pem", "certificate", "path of a file"],
    [new Uint8Array([0x30, 0x82]), "certificate", "decode them"],
    ["0\x82\x03\x01\x00", "certificate", "openssl x509 -inform der"],
    ["0\ufffd\x03\x01\x00", "private key", "openssl pkey -inform der"],
    [block("PRIVATE KEY", secret), "certificate", `"PRIVATE KEY"`],
    [block("CERTIFICATE"), "private key", `"CERTIFICATE"`],
    [block("ENCRYPTED PRIVATE KEY", secret), "private key", "decrypt it"],
    [
      block("RSA PRIVATE KEY", `Proc-Type: 4,ENCRYPTED\n\n${secret}`),
      "private key",
      "decrypt it",
    ],
    [block("PRIVATE KEY", `${secret}!`), "private key", "not Base64"],
    [`-----BEGIN PRIVATE KEY-----\n${secret}`, "private key", "cut off"],
    [block("PRIVATE KEY", secret).replaceAll("\n", ""), "private key", "lines were joined"],
    [block("PUBLIC KEY"), "private key", `"PUBLIC KEY"`],
    [secret, "private key", "not in PEM form"],
    ["", "private key", "not in PEM form"],
    [5, "private key", "type number"],
    [null, "private key", "type null"],
  ];
  for (const [value, kind, says] of cases) {
    const error = assertThrows(() => checkPem(`option "x"`, value, kind), ConfigurationError);
    assert(error.message.startsWith(`Cannot use the option "x": `), error.message);
    assert(error.message.includes(says), error.message);
    assertNoSecret(secret, error);
  }
});
