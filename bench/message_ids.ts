/**
 * Ids for the messages of clients that make none, as long as those that lapinmq makes, so that
 * every contestant has the same bytes on the wire.
 */
export function messageIds(): () => string {
  const prefix = `${crypto.randomUUID()}.`;
  let last = 0;
  return () => prefix + ++last;
}
