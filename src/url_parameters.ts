/** The parameters of a URL, as RabbitMQ's own tools know them (https://www.rabbitmq.com/docs/uri-query-parameters). */

import { checkPem, type PemKind } from "./pem.ts";
import { readTextFile } from "./text_file.ts";
import type { TlsOptions } from "./tls_options.ts";
import { MAX_TIMER_MS } from "./validate.ts";

/** How the broker learns who logs in: by user name and password, or by the client's certificate. */
export type AuthMechanism = "plain" | "external";

/** What the parameters of one URL ask for; what it leaves out is `undefined`. */
export interface UrlParameters {
  readonly heartbeatSeconds?: number;
  readonly connectTimeoutMs?: number;
  readonly channelMax?: number;
  readonly frameMaxBytes?: number;
  /** In the order of preference. */
  readonly authMechanisms?: readonly AuthMechanism[];
  readonly tls?: TlsOptions;
}

/** Ends the parsing with an error that names where the URL came from. */
type Refuse = (why: string, advice?: string) => never;

/** What a whole number stands for, and what it may be. */
const NUMBERS = {
  heartbeat: { name: "heartbeatSeconds", min: 1, max: 3600, unit: "a number of seconds" },
  connection_timeout: {
    name: "connectTimeoutMs",
    min: 1,
    max: MAX_TIMER_MS,
    unit: "a number of milliseconds",
  },
  channel_max: { name: "channelMax", min: 0, max: 65_535, unit: "a number of channels" },
  // The least that the protocol allows; RabbitMQ 4 wants 8192. 0 leaves it to the broker.
  frame_max: { name: "frameMaxBytes", min: 4_096, max: MAX_TIMER_MS, unit: "a number of bytes" },
} as const;

const FILES = {
  cacertfile: "certificate",
  certfile: "certificate",
  keyfile: "private key",
} as const;

const TLS_NAMES = [...Object.keys(FILES), "verify", "server_name_indication"];
const NAMES = [...Object.keys(NUMBERS), "auth_mechanism", ...TLS_NAMES];

/**
 * Reads the parameters of one URL. What is not known is refused, and so is what is not safe.
 *
 * @param parameters The parameters.
 * @param encrypted Whether the URL begins with `amqps:`.
 * @param refuse Ends it with an error.
 */
export function parseUrlParameters(
  parameters: URLSearchParams,
  encrypted: boolean,
  refuse: Refuse,
): UrlParameters {
  const numbers: Record<string, number> = {};
  const authMechanisms: AuthMechanism[] = [];
  const seen = new Set<string>();
  for (const [name, value] of parameters) {
    if (!NAMES.includes(name)) {
      return refuse(
        `it has the parameter "${name}", which is not known`,
        `use none but ${NAMES.join(", ")}`,
      );
    }
    if (seen.has(name) && name !== "auth_mechanism") {
      return refuse(`it has the parameter "${name}" twice`, "give it once");
    }
    seen.add(name);
    if (TLS_NAMES.includes(name) && !encrypted) {
      return refuse(
        `it has the parameter "${name}", which is for TLS, and begins with "amqp:"`,
        `begin it with "amqps:", or leave the parameter out`,
      );
    }
    if (name in NUMBERS) {
      const { name: option, min, max, unit } = NUMBERS[name as keyof typeof NUMBERS];
      const number = /^[0-9]{1,10}$/.test(value) ? Number(value) : -1;
      if ((number < min || number > max) && !(name === "frame_max" && number === 0)) {
        return refuse(`its ${name} is not ${unit} from ${min} to ${max}`);
      }
      numbers[option] = number;
    } else if (name === "auth_mechanism") {
      const mechanism = value.toLowerCase();
      if (mechanism !== "plain" && mechanism !== "external") {
        return refuse(`its auth_mechanism is neither "plain" nor "external"`);
      }
      authMechanisms.push(mechanism);
    }
  }
  return {
    ...numbers,
    ...(authMechanisms.length > 0 ? { authMechanisms } : {}),
    ...(TLS_NAMES.some((name) => seen.has(name)) ? { tls: tlsOf(parameters, refuse) } : {}),
  };
}

function tlsOf(parameters: URLSearchParams, refuse: Refuse): TlsOptions {
  const verify = parameters.get("verify");
  if (verify === "verify_none") {
    return refuse(
      `its verify is "verify_none", by which anybody between here and the broker could read the ` +
        `password and the messages`,
      `leave it out, and name the authority of the broker's certificate in cacertfile`,
    );
  }
  if (verify !== null && verify !== "verify_peer") {
    return refuse(`its verify is not "verify_peer"`);
  }
  const serverName = parameters.get("server_name_indication");
  if (serverName === "" || serverName === "disable") {
    return refuse(
      `its server_name_indication is ${JSON.stringify(serverName)}`,
      `give the name that the broker's certificate carries, or leave it out`,
    );
  }
  const [cacertfile, certfile, keyfile] = ["cacertfile", "certfile", "keyfile"]
    .map((name) => parameters.get(name));
  if ((certfile === null) !== (keyfile === null)) {
    const [given, missing] = certfile === null ? ["keyfile", "certfile"] : ["certfile", "keyfile"];
    return refuse(`it has the parameter "${given}" alone`, `give ${missing} as well`);
  }
  return {
    ...(cacertfile === null ? {} : { caCerts: [pemFile("cacertfile", cacertfile, refuse)] }),
    ...(certfile === null ? {} : {
      cert: pemFile("certfile", certfile, refuse),
      key: pemFile("keyfile", keyfile!, refuse),
    }),
    ...(serverName === null ? {} : { serverName }),
  };
}

function pemFile(name: keyof typeof FILES, path: string, refuse: Refuse): string {
  const kind: PemKind = FILES[name];
  const file = readTextFile(path);
  if (file.text === undefined) {
    return refuse(`its ${name} "${path}" ${file.problem}`, file.advice);
  }
  return checkPem(`file "${path}" of the parameter ${name}`, file.text, kind);
}
