const SIGNALS: Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];
const CODES: Partial<Record<Deno.Signal, number>> = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

/** Notices Ctrl-C and its relatives, instead of ending at once. */
export interface Interrupt extends Disposable {
  /** Aborts at the first signal; the reason is the exit code that tells of it. */
  readonly signal: AbortSignal;
}

/** From here on, signals do not end this program: whoever calls this cleans up and ends. */
export function catchInterrupt(): Interrupt {
  const controller = new AbortController();
  const listeners = SIGNALS.map((signal) => {
    const listener = () => controller.abort(CODES[signal]);
    Deno.addSignalListener(signal, listener);
    return { signal, listener };
  });
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      for (const { signal, listener } of listeners) Deno.removeSignalListener(signal, listener);
    },
  };
}
