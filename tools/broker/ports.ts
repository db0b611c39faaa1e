const LOOPBACKS = ["127.0.0.1", "::1"];

function canListen(hostname: string, port: number): boolean {
  try {
    Deno.listen({ hostname, port }).close();
    return true;
  } catch {
    return false;
  }
}

/** The addresses that `localhost` may stand for on this machine. */
export function loopbacks(): string[] {
  return LOOPBACKS.filter((hostname) => canListen(hostname, 0));
}

/** The wished port if nobody listens there, or any that is free. */
export function freePort(wish?: number): number {
  const hostnames = loopbacks();
  if (wish !== undefined && hostnames.every((hostname) => canListen(hostname, wish))) return wish;
  for (;;) {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    listener.close();
    if (hostnames.every((hostname) => canListen(hostname, port))) return port;
  }
}
