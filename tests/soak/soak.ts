/** One soak: brokers, programs and faults, then healing, draining, and the verdict. */

import { type BrokerKind, type Brokers, DEAD_QUEUE, startBrokers } from "./brokers.ts";
import { History, type Verdict } from "./checker.ts";
import { type Fault, series } from "./faults.ts";
import { createSlot, type FleetOptions, type Slot } from "./fleet.ts";
import { randomFrom } from "../support/random.ts";
import { firstSigns, type Sign } from "./recovery.ts";

/** What a soak is to be. */
export interface SoakOptions {
  readonly minutes: number;
  /** It takes longer where it has not brought about so many by then, as on a machine that is slow. */
  readonly leastFaults: number;
  readonly seed: number;
  readonly version: "3" | "4";
  readonly kind: BrokerKind;
  /** The pause between one recovery and the next fault, on average. */
  readonly pauseMs: number;
  /** What may happen: each before one of them repeats. */
  readonly faults: readonly Fault[];
  /** Whether quorum queues keep the broker's delivery limit, and some messages always fail. */
  readonly limited: boolean;
  readonly client: string;
  /** How many messages a second all publishers send together. */
  readonly rate: number;
  /** Where the library is, if not here. */
  readonly library?: string;
  /** For journals and what the programs print. */
  readonly folder: string;
  readonly log: (line: string) => void;
  /** Ends the faults early: what is there is judged. */
  readonly signal: AbortSignal;
}

/** How one fault went. */
export interface Episode {
  readonly fault: Fault;
  readonly startedAt: number;
  readonly healedAt: number;
  /** Milliseconds from the healing to the first confirm, for each publisher and queue. */
  readonly confirms: readonly number[];
  /** Milliseconds from the healing to the first delivery, for each worker and queue. */
  readonly deliveries: readonly number[];
  /** Milliseconds until each program opened a new connection, where nothing told it that the old one was dead. */
  readonly noticed: readonly number[];
  /** The flows that had not come back when they were waited for no longer. */
  readonly missing: readonly string[];
}

/** The memory of a process that was there from the beginning to the end. */
export interface Memory {
  readonly program: string;
  /** The medians of its first and of its second half, in bytes. */
  readonly first: number;
  readonly second: number;
  readonly max: number;
}

/** All that a soak found. */
export interface Findings {
  readonly options: SoakOptions;
  readonly brokerVersion: string;
  readonly verdict: Verdict;
  /** Messages that no dead-letter exchange took from the queues that dropped them, as far as the brokers counted them. */
  readonly dropped: number;
  readonly episodes: readonly Episode[];
  readonly memory: readonly Memory[];
  readonly seconds: number;
}

/** Of every client. */
export const HEARTBEAT_SECONDS = 2;
const PUBLISHERS = 2;
const WORKERS = 2;
/** How long the flows are waited for after a fault. */
const RECOVERY_MS = 60_000;
const DRAIN_MS = 90_000;
const POLL_MS = 100;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Runs a soak to its end. */
export async function soak(options: SoakOptions): Promise<Findings> {
  const { version, kind, limited, log } = options;
  await using brokers = await startBrokers({ version, kind, limited, log });
  log(`Broker: ${brokers.nodes.map(({ origin }) => origin).join("; ")}`);
  const run = new Run(options, brokers);
  try {
    return await run.run();
  } finally {
    await run.end();
  }
}

class Run {
  #options: SoakOptions;
  #brokers: Brokers;
  #history = new History();
  #slots: Slot[] = [];
  #signs: Sign[] = [];
  #episodes: Episode[] = [];
  #startedAt = Date.now();
  #reader: ReturnType<typeof setInterval> | undefined;

  constructor(options: SoakOptions, brokers: Brokers) {
    this.#options = options;
    this.#brokers = brokers;
  }

  async run(): Promise<Findings> {
    await this.#startPrograms();
    await this.#disturb();
    await this.#drain();
    for (const complaint of await this.#brokers.misacknowledged()) {
      this.#history.misacknowledged(complaint);
    }
    return {
      options: this.#options,
      brokerVersion: this.#brokers.version,
      verdict: this.#history.verdict(),
      dropped: await this.#brokers.dropped(),
      episodes: this.#episodes,
      memory: this.#slots.flatMap((slot) => memoryOf(slot) ?? []),
      seconds: (Date.now() - this.#startedAt) / 1_000,
    };
  }

  /** Ends what still runs, whatever happened. */
  async end(): Promise<void> {
    clearInterval(this.#reader);
    for (const slot of this.#slots) await slot.kill();
    for (const { proxies } of this.#slots) {
      for (const proxy of proxies) await proxy[Symbol.asyncDispose]();
    }
  }

  async #startPrograms(): Promise<void> {
    const { seed, folder, client, rate, limited, library } = this.#options;
    const fleet: FleetOptions = {
      folder,
      ports: this.#brokers.nodes.map(({ port }) => port),
      history: this.#history,
      environment: library === undefined ? {} : { SOAK_LIBRARY: library },
      common: {
        client,
        heartbeatSeconds: HEARTBEAT_SECONDS,
        rate: rate / PUBLISHERS,
        poison: limited,
      },
      onEntry: (slot, { kind, at, note }) => {
        if (kind === "resolved") this.#signs.push({ at, flow: `${slot.name} ${note}` });
        if (kind === "began") {
          this.#signs.push({ at, flow: `${slot.name} ${note.slice(0, note.indexOf(" "))}` });
        }
      },
    };
    const add = async (name: string, role: Slot["role"], queues: readonly string[]) => {
      const slot = await createSlot(
        name,
        role,
        queues,
        seed + 1_000 * (this.#slots.length + 1),
        fleet,
      );
      this.#slots.push(slot);
      slot.start();
    };
    const { queues } = this.#brokers;
    for (let number = 0; number < WORKERS; number++) {
      await add(`worker-${number}`, "worker", queues);
    }
    for (let number = 0; number < PUBLISHERS; number++) {
      await add(`publisher-${number}`, "publisher", queues);
    }
    if (limited) await add("undertaker-0", "undertaker", [DEAD_QUEUE]);
    this.#reader = setInterval(() => this.#read(), POLL_MS);
    const { missing } = await this.#recovery("both", () => 0, 0);
    if (missing.length > 0) throw new Error(`Nothing ever flowed for ${missing.join(", ")}`);
  }

  #read(): void {
    for (const slot of this.#slots) slot.read();
  }

  async #disturb(): Promise<void> {
    const { seed, faults, minutes, leastFaults, pauseMs, log, signal } = this.#options;
    const random = randomFrom(seed);
    const scene = { brokers: this.#brokers, slots: this.#slots, random };
    const end = this.#startedAt + minutes * 60_000;
    for (const fault of series(faults, random)) {
      await pause(random.between(pauseMs / 2, pauseMs * 1.5));
      const isOver = Date.now() > end && this.#episodes.length >= leastFaults;
      if (isOver || signal.aborted) return;
      const startedAt = Date.now();
      this.#signs = [];
      const { at: healedAt, after } = await fault.run(scene);
      const isLost = fault.kind === "link" || fault.kind === "silence";
      const recovery = await this.#recovery(fault.hits, (slot) => {
        if (!isLost) return healedAt;
        return slot.acceptedAt > startedAt ? Math.max(healedAt, slot.acceptedAt) : undefined;
      }, healedAt);
      await after?.();
      const noticed = fault.kind !== "silence" ? [] : this.#slots
        .filter(({ acceptedAt }) => acceptedAt > startedAt)
        .map(({ acceptedAt }) => acceptedAt - startedAt);
      const episode = { fault, startedAt, healedAt, noticed, ...recovery };
      this.#episodes.push(episode);
      for (const flow of recovery.missing) {
        this.#history.hung(`${flow} did not flow again within 60 s after "${fault.name}"`);
      }
      log(describe(this.#episodes.length, episode));
    }
  }

  /** Waits until messages flow again for all that were hit. */
  async #recovery(
    hits: Fault["hits"],
    notBefore: (slot: Slot) => number | undefined,
    healedAt: number,
  ): Promise<Pick<Episode, "confirms" | "deliveries" | "missing">> {
    const hit = this.#slots.filter(({ role }) =>
      role !== "undertaker" && (hits === "both" || role === hits)
    );
    const flows = hit.flatMap((slot) =>
      this.#brokers.queues.map((queue) => ({ slot, flow: `${slot.name} ${queue}` }))
    );
    const slotOf = new Map(flows.map(({ slot, flow }) => [flow, slot]));
    const deadline = Date.now() + RECOVERY_MS;
    let found: Map<string, number>;
    do {
      await pause(POLL_MS / 2);
      found = firstSigns(this.#signs, [...slotOf.keys()], (flow) => notBefore(slotOf.get(flow)!));
    } while (found.size < flows.length && Date.now() < deadline && !this.#options.signal.aborted);
    const times = (role: Slot["role"]) =>
      flows.filter(({ slot, flow }) => slot.role === role && found.has(flow))
        .map(({ flow }) => found.get(flow)! - healedAt);
    return {
      confirms: times("publisher"),
      deliveries: times("worker"),
      missing: flows.filter(({ flow }) => !found.has(flow)).map(({ flow }) => flow),
    };
  }

  async #drain(): Promise<void> {
    const { log } = this.#options;
    log("Draining ...");
    const of = (role: Slot["role"]) => this.#slots.filter((slot) => slot.role === role);
    await Promise.all(of("publisher").map((slot) => slot.end(60_000)));
    this.#read();
    const deadline = Date.now() + DRAIN_MS;
    let left = await this.#depths();
    while (left.length > 0 && Date.now() < deadline) {
      await pause(POLL_MS);
      left = await this.#depths();
    }
    for (const depth of left) this.#history.hung(depth);
    await Promise.all([...of("worker"), ...of("undertaker")].map((slot) => slot.end(60_000)));
    clearInterval(this.#reader);
    this.#read();
  }

  /** What the queues still hold. */
  async #depths(): Promise<string[]> {
    const held = await this.#held();
    // The counts of quorum queues are some seconds old: they may miss what is on its way to the dead-letter queue.
    const moving = this.#options.limited ? this.#history.verdict().lost.length : 0;
    return moving > 0 ? [...held, `${moving} messages are held by no queue that is known`] : held;
  }

  async #held(): Promise<string[]> {
    return [...await this.#brokers.depths()].filter(([, count]) => count > 0)
      .map(([queue, count]) => `${queue} still holds ${count}`);
  }
}

function describe(number: number, episode: Episode): string {
  const { fault, startedAt, healedAt, confirms, deliveries, missing } = episode;
  const largest = (times: readonly number[]) =>
    times.length === 0 ? "-" : `${Math.max(...times)} ms`;
  return `${String(number).padStart(4)}  ${new Date(startedAt).toISOString().slice(11, 23)}  ` +
    `${fault.name} (${((healedAt - startedAt) / 1_000).toFixed(1)} s), then ` +
    `confirm ${largest(confirms)}, delivery ${largest(deliveries)}` +
    (missing.length === 0 ? "" : `; MISSING after 60 s: ${missing.join(", ")}`);
}

function memoryOf({ name, role, rss }: Slot): Memory | undefined {
  // The others are ended now and then.
  if (!name.endsWith("-0") || role === "undertaker" || rss.length < 4) return undefined;
  const median = (numbers: number[]) => numbers.sort((a, b) => a - b)[numbers.length >> 1];
  const bytes = rss.map((sample) => sample.bytes);
  const half = bytes.length >> 1;
  return {
    program: name,
    max: Math.max(...bytes),
    first: median(bytes.slice(0, half)),
    second: median(bytes.slice(half)),
  };
}
