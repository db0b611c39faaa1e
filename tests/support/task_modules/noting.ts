/** Notes in the file that the property `type` names what it sees of each message. */

import { defineTask, MessageStatus, type TaskMessage } from "../../../src/task.ts";

function seen(message: TaskMessage): Record<string, unknown> {
  return {
    bytes: message.body.length,
    ownsItsMemory: message.body.buffer.byteLength === message.body.length,
    plain: Object.getPrototypeOf(message.body) === Uint8Array.prototype,
    sum: message.body.reduce((sum, byte) => sum + byte, 0),
    exchange: message.exchange,
    routingKey: message.routingKey,
    redelivered: message.redelivered,
    properties: message.properties,
    headers: message.headers,
    when: message.headers.when instanceof Date,
    bytesInHeaders: message.headers.bytes instanceof Uint8Array,
    aborted: message.signal.aborted,
    self: typeof self,
  };
}

export default defineTask((message) => {
  const line = JSON.stringify(seen(message)) + "\n";
  Deno.writeTextFileSync(message.properties.type!, line, { append: true });
  return MessageStatus.SUCCESS;
});
