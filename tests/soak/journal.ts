/**
 * The append-only log of one process: a line per thing that happens, written before the next thing does, so that a
 * SIGKILL loses none. It is written by the programs of the soak, and never by the client that is tested.
 */

/** What a line may tell of. */
export type Kind =
  /** A message is about to be handed to the client; the note is its queue. */
  | "attempt"
  /** The send has resolved. */
  | "resolved"
  /** The send has rejected; the note is why. */
  | "rejected"
  /** A task begins; the note is the queue, `first` or `again`, and `intact` or `corrupt`. */
  | "began"
  /** A task is about to end well; the note is `first` or `again`. */
  | "done"
  /** A task is about to throw. */
  | "threw"
  /** A message was settled by a call; the note is what the call returned. */
  | "settled"
  /** A message was found in the dead-letter queue. */
  | "dead"
  /** An error that nobody caught; the note is its text. */
  | "uncaught"
  /** The memory of the process; the note is its size in bytes. */
  | "rss"
  /** The client told of something. */
  | "event"
  /** The process has stopped its client, and ends. */
  | "ended";

/** A line of a journal. */
export interface Entry {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly kind: Kind;
  /** Which message, or `-`. */
  readonly id: string;
  readonly note: string;
}

/** Writes the journal of one process. */
export interface Journal extends Disposable {
  write(kind: Kind, id?: string, note?: string): void;
}

/** Opens the journal of this process. */
export function openJournal(path: string): Journal {
  const file = Deno.openSync(path, { create: true, append: true });
  const encoder = new TextEncoder();
  return {
    write(kind, id = "-", note = "") {
      const line = encoder.encode(formatEntry({ at: Date.now(), kind, id, note }) + "\n");
      for (let written = 0; written < line.length;) {
        written += file.writeSync(line.subarray(written));
      }
    },
    [Symbol.dispose]: () => file.close(),
  };
}

/** The line of an entry, without its end. */
export function formatEntry({ at, kind, id, note }: Entry): string {
  return `${at} ${kind} ${id} ${note.replaceAll(/\s*\n\s*/g, " | ")}`;
}

/** Reads a line that {@linkcode formatEntry} made. */
export function parseEntry(line: string): Entry {
  const [, at, kind, id, note] = line.match(/^(\d+) (\S+) (\S+) ?(.*)$/) ?? [];
  if (at === undefined) throw new Error(`Cannot read this line of a journal: ${line}`);
  return { at: Number(at), kind: kind as Kind, id, note };
}
