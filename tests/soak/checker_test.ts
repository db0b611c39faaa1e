import { assertEquals, assertThrows } from "@std/assert";
import { charges, History, type Verdict } from "./checker.ts";
import { formatEntry, type Kind, parseEntry } from "./journal.ts";

let clock = 1_000;

/** A history of lines in the form `process kind id note`. */
function historyOf(...lines: string[]): History {
  const history = new History();
  for (const line of lines) {
    const [process, kind, id = "-", ...note] = line.split(" ");
    history.add(
      process,
      formatEntry({ at: clock++, kind: kind as Kind, id, note: note.join(" ") }),
    );
  }
  return history;
}

function verdictOf(...lines: string[]): Verdict {
  return historyOf(...lines).verdict();
}

const SENT = ["p attempt a q", "p resolved a q"];
const WORKED = ["w began a q first intact", "w done a first"];

Deno.test("History acquits messages that were confirmed and worked on once", () => {
  const verdict = verdictOf(...SENT, ...WORKED);

  assertEquals(charges(verdict), []);
  assertEquals([verdict.attempts, verdict.acknowledged, verdict.duplicated], [1, 1, 0]);
});

Deno.test("History takes the lines of different processes in any order", () => {
  assertEquals(charges(verdictOf(...WORKED, ...SENT)), []);
});

Deno.test("History finds a confirmed message that no task ended well for lost", () => {
  assertEquals(verdictOf(...SENT).lost, ["a"]);
  assertEquals(verdictOf(...SENT, "w began a q first intact").lost, ["a"]);
  assertEquals(verdictOf(...SENT, "w began a q first intact", "w threw a").lost, ["a"]);
});

Deno.test("History finds a message that was rejected or is open not lost", () => {
  assertEquals(verdictOf("p attempt a q", "p rejected a TIMEOUT").lost, []);
  assertEquals(verdictOf("p attempt a q").lost, []);
});

Deno.test("History finds a message in the dead-letter queue not lost", () => {
  const verdict = verdictOf(...SENT, "w began a q first intact", "w threw a", "u dead a");

  assertEquals([verdict.lost, verdict.dead], [[], 1]);
});

Deno.test("History counts the rejections by their reason", () => {
  const verdict = verdictOf(
    "p attempt a q",
    "p rejected a TIMEOUT",
    "p attempt b q",
    "p rejected b TIMEOUT",
    "p attempt c q",
    "p rejected c STOPPED",
  );

  assertEquals(verdict.rejected, { TIMEOUT: 2, STOPPED: 1 });
  assertEquals(charges(verdict), []);
});

Deno.test("History tells duplicates that were delivered again from those that were sent again", () => {
  const again = ["w began a q again intact", "w done a again"];

  const redelivered = verdictOf(...SENT, ...WORKED, ...again);
  assertEquals(
    [redelivered.duplicated, redelivered.redelivered, redelivered.resent],
    [1, 1, 0],
  );

  const resent = verdictOf(...SENT, ...WORKED, ...WORKED, ...again);
  assertEquals([resent.duplicated, resent.redelivered, resent.resent], [2, 1, 1]);
});

Deno.test("History counts a task that threw before it went well as no duplicate", () => {
  const verdict = verdictOf(
    ...SENT,
    "w began a q first intact",
    "w threw a",
    "w began a q again intact",
    "w done a again",
  );

  assertEquals([verdict.duplicated, verdict.tasks, verdict.threw], [0, 2, 1]);
});

Deno.test("History counts what was delivered without a confirm as recovered", () => {
  assertEquals(verdictOf("p attempt a q", "p rejected a TIMEOUT", ...WORKED).recovered, 1);
  assertEquals(verdictOf(...SENT, ...WORKED).recovered, 0);
});

Deno.test("History finds a message that nobody sent unexpected", () => {
  const verdict = verdictOf(...WORKED);

  assertEquals([verdict.unexpected, verdict.attempts], [["a"], 0]);
});

Deno.test("History finds a body that was changed corrupt", () => {
  const verdict = verdictOf(...SENT, "w began a q first corrupt", "w done a first");

  assertEquals(verdict.corrupt, ["a"]);
});

Deno.test("History finds a send without an outcome hung, unless its process was killed", () => {
  assertEquals(verdictOf("p attempt a q").hung.length, 1);

  const history = historyOf("p attempt a q", "o attempt b q");
  history.killed("p");
  const { hung, indeterminate } = history.verdict();
  assertEquals([hung, indeterminate], [["the send of b by o"], 1]);
});

Deno.test("History passes on what others found hung, uncaught or misacknowledged", () => {
  const history = historyOf("w uncaught - Error: no");
  history.hung("a queue");
  history.uncaught("w ended by itself");
  history.misacknowledged("unknown delivery tag 7");

  const verdict = history.verdict();
  assertEquals(verdict.hung, ["a queue"]);
  assertEquals(verdict.uncaught, ["w: Error: no", "w ended by itself"]);
  assertEquals(charges(verdict), ["hung 1", "uncaught 2", "misacknowledged 1"]);
});

Deno.test("History counts the settlements that came too late", () => {
  assertEquals(verdictOf("w settled a true", "w settled b false").late, 1);
});

Deno.test("parseEntry reads what formatEntry wrote", () => {
  const entry = { at: 12, kind: "uncaught", id: "-", note: "Error: two words" } as const;

  assertEquals(parseEntry(formatEntry(entry)), entry);
  assertEquals(parseEntry(formatEntry({ ...entry, note: "" })), { ...entry, note: "" });
  assertEquals(parseEntry(formatEntry({ ...entry, note: "a\n  b" })).note, "a | b");
});

Deno.test("parseEntry refuses what is no line of a journal", () => {
  assertThrows(() => parseEntry("12 torn"), Error, "Cannot read this line");
});
