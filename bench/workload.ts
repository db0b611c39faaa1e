/** What is measured. */

/** What a program does: each is a file in `jobs/`. */
export type Kind =
  | "publish"
  | "consume"
  | "both"
  | "pipeline"
  | "latency"
  | "memory"
  | "scale";

/** How many messages, after how many that warm up. */
export interface Amount {
  readonly warmUp: number;
  readonly messages: number;
}

/** One row of the results. */
export interface Workload {
  readonly name: string;
  readonly title: string;
  readonly kind: Kind;
  readonly queueType: "classic" | "quorum";
  readonly bodyBytes: number;
  /** How many messages may be unconfirmed. */
  readonly window: number;
  readonly prefetch: number;
  readonly consumers: number;
  /** What a program does alone where another of its kind publishes and consumes at once. */
  readonly half?: "publish" | "consume";
  /** Messages per second, where that is given. */
  readonly rate?: number;
  readonly full: Amount;
  /** Of a quick run; without it, such a run leaves the workload out unless it is asked for. */
  readonly quick?: Amount;
  /** Whether the connection is encrypted: by a program before the broker, which takes CPU time, too. */
  readonly overTls?: boolean;
  /** Who takes part, if not everybody. */
  readonly contestants?: readonly string[];
  /** How many rounds at most. */
  readonly maxRounds?: number;
}

/** What one program is to do: passed as JSON in its environment. */
export interface Job extends Amount {
  readonly workload: Workload;
  readonly contestant: string;
  readonly url: string;
  readonly queue: string;
  /** The queue to which a pipeline passes its messages on. */
  readonly to: string;
}

/** What one program has found. */
export interface Measurement {
  readonly messages: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakBytes: number;
  /** From the call that sends to the call that receives. */
  readonly latencyMs?: { readonly p50: number; readonly p99: number; readonly max: number };
  /** Resident memory by the number of messages that were dealt with so far. */
  readonly memory?: readonly { readonly messages: number; readonly rssBytes: number }[];
  /** The heap in use after a garbage collection: when it was warm, and at the end. */
  readonly heap?: { readonly warmBytes: number; readonly endBytes: number };
  /** What it took to start many consumers. */
  readonly start?: {
    readonly ms: number;
    readonly heapBytesPerConsumer: number;
    readonly connections?: number;
  };
}

const VARIABLE = "BENCH_JOB";

/** The environment that hands a job over. */
export function environmentOf(job: Job): Record<string, string> {
  return { [VARIABLE]: JSON.stringify(job) };
}

/** The job of this program. */
export function readJob(): Job {
  const text = Deno.env.get(VARIABLE);
  if (!text) throw new Error("Cannot run this program by itself: deno task bench starts it");
  return JSON.parse(text);
}
