/**
 * The judge: reads the journals of all processes and says what became of every message. It knows nothing of the client
 * that wrote them. The words are those of the Jepsen reports on RabbitMQ.
 */

import { type Entry, parseEntry } from "./journal.ts";

/** What became of the messages. */
export interface Verdict {
  /** Messages that were handed to the client. */
  readonly attempts: number;
  /** Of these, whose send resolved. */
  readonly acknowledged: number;
  /** Whose send rejected, by the reason. */
  readonly rejected: Readonly<Record<string, number>>;
  /** Whose outcome nobody knows, because their publisher was killed. */
  readonly indeterminate: number;
  /** Acknowledged, but no task ever came to its end for them, nor were they dead-lettered. */
  readonly lost: readonly string[];
  /** Ends of tasks beyond the first of a message. */
  readonly duplicated: number;
  /** Of these, in copies that the broker had marked as delivered before: an acknowledgement that did not arrive. */
  readonly redelivered: number;
  /** Of these, in copies that were new to the broker: a message that was sent again, as its confirm did not arrive. */
  readonly resent: number;
  /** Not acknowledged, and yet a task came to its end for them. */
  readonly recovered: number;
  /** Delivered, but never sent. */
  readonly unexpected: readonly string[];
  /** Delivered with another body than they were sent with. */
  readonly corrupt: readonly string[];
  /** Sends that neither resolved nor rejected, and what else had to come to an end and did not. */
  readonly hung: readonly string[];
  /** Errors that nobody caught, and processes that ended by themselves. */
  readonly uncaught: readonly string[];
  /** Settlements of what the channel did not hold, in the words of the brokers. */
  readonly misacknowledged: readonly string[];
  /** Found in the dead-letter queue. */
  readonly dead: number;
  /** Tasks that began, and those that threw because they were to. */
  readonly tasks: number;
  readonly threw: number;
  /** Settlements by a call that came too late, as the call said. */
  readonly late: number;
}

interface Fate {
  sentBy: string | undefined;
  outcome: "open" | "resolved" | "rejected";
  dones: number;
  /** Of the dones, those of copies that were new to the broker. */
  firsts: number;
  corrupt: boolean;
  dead: boolean;
}

/** All that the journals tell, read line by line. */
export class History {
  #fates = new Map<string, Fate>();
  #killed = new Set<string>();
  #rejected: Record<string, number> = {};
  #hung: string[] = [];
  #uncaught: string[] = [];
  #misacknowledged: string[] = [];
  #tasks = 0;
  #threw = 0;
  #late = 0;

  /** Reads a line. The lines of one process must come in order, those of different ones need not. */
  add(process: string, line: string): Entry {
    const entry = parseEntry(line);
    const { kind, id, note } = entry;
    switch (kind) {
      case "attempt":
        this.#fate(id).sentBy = process;
        break;
      case "resolved":
        this.#fate(id).outcome = "resolved";
        break;
      case "rejected":
        this.#fate(id).outcome = "rejected";
        this.#rejected[note] = (this.#rejected[note] ?? 0) + 1;
        break;
      case "began":
        this.#tasks++;
        if (note.endsWith(" corrupt")) this.#fate(id).corrupt = true;
        else this.#fate(id);
        break;
      case "done": {
        const fate = this.#fate(id);
        fate.dones++;
        if (note === "first") fate.firsts++;
        break;
      }
      case "threw":
        this.#threw++;
        break;
      case "settled":
        if (note === "false") this.#late++;
        break;
      case "dead":
        this.#fate(id).dead = true;
        break;
      case "uncaught":
        this.uncaught(`${process}: ${note}`);
    }
    return entry;
  }

  /** A process was killed: what it had open stays open. */
  killed(process: string): void {
    this.#killed.add(process);
  }

  /** Something did not come to an end. */
  hung(what: string): void {
    this.#hung.push(what);
  }

  /** Something ended that should not have. */
  uncaught(what: string): void {
    this.#uncaught.push(what);
  }

  /**
   * A broker complained that something was settled which its channel did not hold. This is how a settlement on the wrong
   * channel shows: it takes effect only if its tag happens to be open there, but then on another message.
   */
  misacknowledged(complaint: string): void {
    this.#misacknowledged.push(complaint);
  }

  verdict(): Verdict {
    const hung = [...this.#hung];
    const lost: string[] = [];
    const unexpected: string[] = [];
    const corrupt: string[] = [];
    const count = {
      attempts: 0,
      acknowledged: 0,
      indeterminate: 0,
      duplicated: 0,
      resent: 0,
      recovered: 0,
      dead: 0,
    };
    for (const [id, fate] of this.#fates) {
      if (fate.corrupt) corrupt.push(id);
      if (fate.dead) count.dead++;
      if (fate.dones > 1) count.duplicated += fate.dones - 1;
      if (fate.firsts > 1) count.resent += fate.firsts - 1;
      if (fate.sentBy === undefined) {
        unexpected.push(id);
        continue;
      }
      count.attempts++;
      if (fate.outcome === "resolved") count.acknowledged++;
      else if (fate.dones > 0) count.recovered++;
      if (isOwed(fate)) lost.push(id);
      if (fate.outcome !== "open") continue;
      if (this.#killed.has(fate.sentBy)) count.indeterminate++;
      else hung.push(`the send of ${id} by ${fate.sentBy}`);
    }
    return {
      ...count,
      redelivered: count.duplicated - count.resent,
      rejected: { ...this.#rejected },
      lost,
      unexpected,
      corrupt,
      hung,
      uncaught: [...this.#uncaught],
      misacknowledged: [...this.#misacknowledged],
      tasks: this.#tasks,
      threw: this.#threw,
      late: this.#late,
    };
  }

  #fate(id: string): Fate {
    let fate = this.#fates.get(id);
    if (fate === undefined) {
      fate = {
        sentBy: undefined,
        outcome: "open",
        dones: 0,
        firsts: 0,
        corrupt: false,
        dead: false,
      };
      this.#fates.set(id, fate);
    }
    return fate;
  }
}

function isOwed({ outcome, dones, dead }: Fate): boolean {
  return outcome === "resolved" && dones === 0 && !dead;
}

/** What a verdict holds against the client; nothing where the client is acquitted. */
export function charges(verdict: Verdict): string[] {
  const names = [
    "lost",
    "unexpected",
    "corrupt",
    "hung",
    "uncaught",
    "misacknowledged",
  ] as const;
  return names.filter((name) => verdict[name].length > 0)
    .map((name) => `${name} ${verdict[name].length}`);
}
