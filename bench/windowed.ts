/**
 * Sends with a window of unconfirmed messages, for clients that have none of their own.
 *
 * @param send Sends one message, and calls `done` when it is confirmed, with an error if it is not.
 */
export function windowed(
  count: number,
  window: number,
  send: (done: (error?: unknown) => void) => void,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let sent = 0;
  let confirmed = 0;
  const pump = () => {
    while (sent < count && sent - confirmed < window) {
      sent++;
      send(done);
    }
  };
  const done = (error?: unknown) => {
    if (error) return reject(error);
    if (++confirmed === count) return resolve();
    pump();
  };
  pump();
  return promise;
}
