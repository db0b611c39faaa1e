import { assert, assertEquals } from "@std/assert";
import { tlsError } from "../../src/amqp/tls_errors.ts";

const endpoint = {
  hostname: "certificate-tls.example",
  port: 5671,
  username: "user",
  password: "password",
  vhost: "/",
  tls: {},
};
const withCert = { ...endpoint, tls: { cert: "cert", key: "key" } };

Deno.test("tlsError goes by the codes of Node and OpenSSL, and by rustls where Deno has none", () => {
  const cases: [errorCode: string | undefined, message: string, code: string, says: string][] = [
    ["ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", "…", "CLIENT_CERTIFICATE", "wants"],
    [undefined, "received fatal alert: CertificateRequired", "CLIENT_CERTIFICATE", "wants"],
    ["ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", "…", "CLIENT_CERTIFICATE", "wants"],
    ["ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE", "…", "NOT_TLS", "want a client's certificate"],
    ["ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE", "…", "NOT_TLS", "want a client's certificate"],
    ["ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION", "…", "NOT_TLS", "other versions"],
    ["ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR", "…", "CONNECTION", "fault of its own"],
    ["ERR_SSL_WRONG_VERSION_NUMBER", "…", "NOT_TLS", "5671"],
    [undefined, "received corrupt message of type InvalidContentType", "NOT_TLS", "5671"],
    ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "…", "CERTIFICATE", "tls.caCerts"],
    ["DEPTH_ZERO_SELF_SIGNED_CERT", "…", "CERTIFICATE", "tls.caCerts"],
    ["CERT_HAS_EXPIRED", "…", "CERTIFICATE", "tls.caCerts"],
    ["ERR_TLS_CERT_ALTNAME_INVALID", "…", "CERTIFICATE", "tls.serverName"],
    [undefined, "invalid peer certificate: UnknownIssuer", "CERTIFICATE", "tls.caCerts"],
  ];
  for (const [errorCode, message, code, says] of cases) {
    const problem = tlsError(message, errorCode, endpoint);
    assertEquals<unknown>(problem?.code, code);
    assert(problem!.why.includes(says), problem!.why);
  }
});

Deno.test("tlsError tells a client certificate that is missing from one that is refused", () => {
  for (const alert of ["UNKNOWN_CA", "CERTIFICATE_REVOKED", "BAD_CERTIFICATE"]) {
    const code = `ERR_SSL_TLSV1_ALERT_${alert}`;
    assert(tlsError("", code, endpoint)!.why.includes("wants a client's certificate"));
    assert(tlsError("", code, withCert)!.why.includes("refused the client's certificate"));
  }
});

Deno.test("tlsError says nothing of a connection that was cut, whatever the words", () => {
  const cases: [code: string | undefined, message: string][] = [
    [
      "ECONNRESET",
      "Client network socket disconnected before secure TLS connection was established",
    ],
    ["ECONNRESET", "read ECONNRESET certificate-tls.example"],
    ["EPIPE", "write EPIPE"],
    [undefined, "tls handshake eof"],
    [undefined, "Socket closed abruptly during opening handshake"],
  ];
  for (const [code, message] of cases) {
    assertEquals(tlsError(message, code, endpoint), undefined);
  }
});
