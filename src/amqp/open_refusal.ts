/** Why the broker closed a connection before it was open: the reply code and text of its `connection.close`. */

import type { Endpoint } from "../endpoints.ts";

/** What the broker said. */
export interface OpenRefusal {
  readonly replyCode: number;
  readonly replyText: string;
}

const CONNECTION_CLOSE = 10 << 16 | 50;
const NOT_ALLOWED = 530;

/** Reads it from the payload of a method frame; `undefined` if that is of another method. */
export function readRefusal(payload: DataView): OpenRefusal | undefined {
  const textAt = 7;
  if (payload.byteLength < textAt || payload.getUint32(0) !== CONNECTION_CLOSE) return undefined;
  const length = Math.min(payload.getUint8(6), payload.byteLength - textAt);
  const text = new Uint8Array(payload.buffer, payload.byteOffset + textAt, length);
  return { replyCode: payload.getUint16(4), replyText: new TextDecoder().decode(text) };
}

/** Whether the virtual host is missing, or closed to the user: whatever else is refused may pass. */
export function isOfVhost(refusal: OpenRefusal, { vhost, username, external }: Endpoint): boolean {
  if (refusal.replyCode !== NOT_ALLOWED) return false;
  // The names are known, and may hold any word. The user that a certificate stands for is not.
  const access = `NOT_ALLOWED - access to vhost '${vhost}' refused for user '`;
  const isSame = (expected: string) =>
    refusal.replyText === expected ||
    // The broker cuts its text off at 255 bytes.
    refusal.replyText.length > 200 && expected.startsWith(refusal.replyText.replace(/\.*$/, ""));
  return isSame(`NOT_ALLOWED - vhost ${vhost} not found`) ||
    (external
      ? refusal.replyText.startsWith(access) && !refusal.replyText.includes("': ")
      : isSame(`${access}${username}'`));
}

/** Whether as many connections are open as the broker allows, on this node, to the user, or in the virtual host. */
export function isLimit({ replyCode, replyText }: OpenRefusal): boolean {
  return replyCode === NOT_ALLOWED &&
    / connection limit \(\d+\) is reached|: connection limit/.test(replyText);
}
