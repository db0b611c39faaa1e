/** What a stretch of work costs this process. */

import process from "node:process";

/** The cost of a stretch of work. */
export interface Cost {
  readonly seconds: number;
  /** User and system time of all threads. */
  readonly cpuSeconds: number;
}

/** Begins to measure; what is returned ends it. */
export function startMeter(): () => Cost {
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  return () => {
    const seconds = (performance.now() - startedAt) / 1_000;
    const { user, system } = process.cpuUsage(cpu);
    return { seconds, cpuSeconds: (user + system) / 1e6 };
  };
}

/** The most memory that this process has ever had resident; where only Linux tells, what it has now. */
export function peakBytes(): number {
  try {
    const [, kib] = Deno.readTextFileSync("/proc/self/status").match(/^VmHWM:\s+(\d+) kB$/m) ?? [];
    if (kib !== undefined) return Number(kib) * 1024;
  } catch {
    // Not Linux.
  }
  return Deno.memoryUsage().rss;
}

/** The heap that is in use after a garbage collection, where the program was started with `--expose-gc`. */
export function heapBytes(): number {
  const { gc } = globalThis as { gc?: () => void };
  gc?.();
  gc?.();
  return Deno.memoryUsage().heapUsed;
}

/** How many TCP connections this process has open; undefined where the system does not tell. */
export function openConnections(): number | undefined {
  try {
    const own = new Set<string>();
    for (const { name } of Deno.readDirSync("/proc/self/fd")) own.add(socketOf(name));
    const ESTABLISHED = "01";
    return ["tcp", "tcp6"].flatMap((table) =>
      Deno.readTextFileSync(`/proc/self/net/${table}`).split("\n").map((line) =>
        line.trim().split(/\s+/)
      )
    ).filter((cells) => cells[3] === ESTABLISHED && own.has(cells[9])).length;
  } catch {
    return undefined; // Not Linux.
  }
}

/** The number of the socket that a file descriptor is; empty for another kind. */
function socketOf(descriptor: string): string {
  try {
    return Deno.readLinkSync(`/proc/self/fd/${descriptor}`).match(/^socket:\[(\d+)\]$/)?.[1] ?? "";
  } catch {
    return ""; // Closed meanwhile.
  }
}
