/**
 * Short texts whose bytes are not UTF-8, such as an id of random bytes: each byte that belongs to no
 * character is a half character of its own, U+DC80 to U+DCFF, as in Python's `surrogateescape`. So
 * nothing is lost: what was read can be compared, kept in a `Map`, and sent on as the same bytes.
 */

const REPLACEMENT = "\uFFFD";
const FIRST_ESCAPED = 0xDC80;
const LAST_ESCAPED = 0xDCFF;

const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Whether bytes are UTF-8, of which a lenient decoder made this text. */
export function isFaithful(text: string, bytes: Uint8Array): boolean {
  // Only what was replaced, or stood there, can hold it; most texts do not.
  return !text.includes(REPLACEMENT) || decodeStrictly(bytes) !== undefined;
}

/** A text of any bytes. */
export function decodeRawText(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const length = characterLength(bytes[at]);
    const character = length === 0 ? undefined : decodeStrictly(bytes.subarray(at, at + length));
    text += character ?? String.fromCharCode(0xDC00 + bytes[at]);
    at += character === undefined ? 1 : length;
  }
  return text;
}

/** The bytes of a text again. */
export function encodeRawText(text: string): Uint8Array {
  if (text.isWellFormed()) return encoder.encode(text);
  const bytes: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (code >= FIRST_ESCAPED && code <= LAST_ESCAPED) bytes.push(code & 0xFF);
    else bytes.push(...encoder.encode(character));
  }
  return Uint8Array.from(bytes);
}

/** Whether a text arrives as it is: it is well-formed, or one that {@linkcode decodeRawText} gives. */
export function isSendable(text: string): boolean {
  return text.isWellFormed() || decodeRawText(encodeRawText(text)) === text;
}

function decodeStrictly(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

/** How many bytes a character has that begins with this one; 0 if none does. */
function characterLength(first: number): number {
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first < 0xE0) return 2;
  if (first >= 0xE0 && first < 0xF0) return 3;
  return first >= 0xF0 && first < 0xF5 ? 4 : 0;
}
