import type { DriverConnection } from "./amqp/driver.ts";
import { within } from "./amqp/within.ts";
import { ConnectionError } from "./errors.ts";
import { unrefTimer } from "./runtime.ts";
import { MAX_TIMER_MS } from "./validate.ts";

/** A user name and a password that may expire, such as a token. */
export interface Credentials {
  /** The user name; brokers that take tokens ignore it, most of the time. */
  readonly username: string;
  /** The password or token. It appears in no error, log line or event. */
  readonly password: string;
  /**
   * When the password expires. It is renewed on the open connection before that. Default: it is asked
   * for at the next connection only.
   */
  readonly expiresAt?: Date;
}

/** Gives the credentials that are valid now. Asked before every attempt to connect. */
export type CredentialsProvider = () => Credentials | Promise<Credentials>;

/** The share of its remaining time after which a password is renewed. */
const RENEW_AFTER = 0.8;
/** The least delay before a renewal, so that one that has expired already is not asked for in a loop. */
const MIN_DELAY_MS = 1_000;

/** Asks for credentials and checks them, within a deadline. */
export async function askForCredentials(
  provider: CredentialsProvider,
  timeoutMs: number,
): Promise<Credentials> {
  let answer: Credentials;
  try {
    answer = await within((async () => await provider())(), timeoutMs, "get the credentials");
  } catch (cause) {
    throw new ConnectionError(
      `Cannot connect to the broker: the function "credentials" failed: ` +
        (cause instanceof Error ? cause.message : "it threw no Error"),
      { code: "CREDENTIALS", cause },
    );
  }
  for (const name of ["username", "password"] as const) {
    if (typeof answer?.[name] !== "string" || answer[name].includes("\0")) {
      throw new ConnectionError(
        `Cannot connect to the broker: the function "credentials" gave no usable ${name}: it must ` +
          `be a string without NUL characters`,
        { code: "CREDENTIALS" },
      );
    }
  }
  const { expiresAt } = answer;
  if (expiresAt !== undefined && !(expiresAt instanceof Date && expiresAt.getTime() > 0)) {
    throw new ConnectionError(
      `Cannot connect to the broker: the function "credentials" gave an "expiresAt" that is no valid ` +
        `Date`,
      { code: "CREDENTIALS" },
    );
  }
  return answer;
}

/** After how many milliseconds a password that expires at this time is to be renewed. */
export function renewalDelay(expiresAt: Date, now: number = Date.now()): number {
  const delayMs = Math.round((expiresAt.getTime() - now) * RENEW_AFTER);
  return Math.min(Math.max(delayMs, MIN_DELAY_MS), MAX_TIMER_MS);
}

/** Renews the password of an open connection before it expires. */
export class SecretRenewal {
  #connection: DriverConnection;
  #provider: CredentialsProvider;
  #timeoutMs: number;
  #failed: (error: Error) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  /**
   * @param connection The connection.
   * @param provider Gives the next password.
   * @param timeoutMs How long it, and the broker, may take.
   * @param failed Told when a renewal failed; the next is tried before the password expires, if it can.
   */
  constructor(
    connection: DriverConnection,
    provider: CredentialsProvider,
    timeoutMs: number,
    failed: (error: Error) => void,
  ) {
    this.#connection = connection;
    this.#provider = provider;
    this.#timeoutMs = timeoutMs;
    this.#failed = failed;
  }

  /** Renews in time for this moment, and from then on in time for each new one. */
  schedule(expiresAt: Date | undefined): void {
    if (expiresAt === undefined || this.#stopped) return;
    this.#timer = setTimeout(() => void this.#renew(expiresAt), renewalDelay(expiresAt));
    unrefTimer(this.#timer);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #renew(expiresAt: Date): Promise<void> {
    try {
      const credentials = await askForCredentials(this.#provider, this.#timeoutMs);
      if (this.#stopped) return;
      await this.#connection.updateSecret(credentials.password);
      this.schedule(credentials.expiresAt);
    } catch (error) {
      if (this.#stopped) return;
      this.#failed(error as Error);
      this.schedule(expiresAt);
    }
  }
}
