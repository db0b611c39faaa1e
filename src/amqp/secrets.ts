import { LapinmqError } from "../errors.ts";
import { shownError } from "../printable.ts";

/** Texts this long stand in no message by chance; a shorter one is masked as a word of its own. */
const SAFE_LENGTH = 8;

/**
 * Masks the password in whatever a server says: one that echoes it, as a proxy with its debugging on
 * may, must not bring it into a log.
 */
export class Secrets {
  #patterns: RegExp[] = [];
  #known: readonly string[];

  /**
   * @param known What may be shown although it is the password as well, such as the user name.
   * @param secrets Passwords.
   */
  constructor(known: readonly string[], ...secrets: string[]) {
    this.#known = known;
    for (const secret of secrets) this.add(secret);
  }

  /** Masks this one, too. */
  add(secret: string): void {
    if (secret === "" || this.#known.includes(secret)) return;
    for (const form of new Set([secret, inUrl(secret), inBase64(secret)])) {
      const pattern = form.replace(/[\\^$.*+?()[\]{}|/]/g, (sign) => `\\${sign}`);
      this.#patterns.push(
        form.length >= SAFE_LENGTH
          ? new RegExp(pattern, "gu")
          : new RegExp(`(?<![\\p{L}\\p{N}])${pattern}(?![\\p{L}\\p{N}])`, "gu"),
      );
    }
  }

  /** The text without them. */
  masked(text: string): string {
    return this.#patterns.reduce((masked, pattern) => masked.replace(pattern, "***"), text);
  }

  /** The error of amqplib, a socket or the runtime, or a copy of it, without them. */
  maskedIn(error: unknown): unknown {
    // Ours were made of what was masked already.
    return error instanceof LapinmqError ? error : shownError(error, (text) => this.masked(text));
  }
}

function inUrl(secret: string): string {
  return encodeURIComponent(secret.toWellFormed());
}

function inBase64(secret: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(secret)));
}
