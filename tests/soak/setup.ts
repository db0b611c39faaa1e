/** What a program of the soak is started with: passed as JSON in its environment. */
export interface Setup {
  /** The program and its life: `publisher-0.1`. */
  readonly name: string;
  /** The process that started it; it ends with that. */
  readonly parent: number;
  readonly journal: string;
  readonly client: string;
  readonly urls: readonly string[];
  readonly heartbeatSeconds: number;
  readonly queues: readonly string[];
  readonly seed: number;
  /** How many messages a second one publisher sends. */
  readonly rate: number;
  /** Whether some messages always fail. */
  readonly poison: boolean;
  /** Whether what is received comes from the dead-letter queue, and is only written down. */
  readonly undertaker: boolean;
}

const VARIABLE = "SOAK_SETUP";

/** The environment that hands a setup over. */
export function environmentOf(setup: Setup): Record<string, string> {
  return { [VARIABLE]: JSON.stringify(setup) };
}

/** The setup of this program. */
export function readSetup(): Setup {
  const text = Deno.env.get(VARIABLE);
  if (!text) throw new Error("Cannot run this program by itself: deno task soak starts it");
  return JSON.parse(text);
}
