import { delay } from "@std/async/delay";
import {
  Connection,
  Consumer,
  type Message,
  MessageStatus,
  Publisher,
  PublishError,
} from "../../mod.ts";
import { type Attack, HostileServer } from "./hostile_server.ts";
import type { Random } from "./random.ts";

const SEND_TIMEOUT_MS = 2_000;
/** How much later than promised something may happen on a machine that is busy. */
const LATE_MS = 5_000;
/** Until when a publisher and a consumer must have recovered. */
const RECOVERY_MS = 20_000;

/** Tells what went wrong in a case. */
export type Report = (index: number, what: string, cause?: unknown) => void;

/** A publisher and a consumer, and the hostile server that they talk to. */
export class FuzzLane implements AsyncDisposable {
  /** The case that it is busy with. */
  busyWith = -1;
  #server = new HostileServer();
  #connection: Connection;
  #publisher: Publisher;
  #consumer: Consumer;
  #report: Report;
  #expected: { readonly body: string; arrived(): void } | undefined;
  #lastSend = 0;
  /** The sends that are not settled, by their ids, and the cases that they are of. */
  #open = new Map<string, number>();

  /** @param number No two lanes have the same options. */
  constructor(number: number, report: Report) {
    this.#report = report;
    const { hostname, port } = this.#server.server;
    const connection = new Connection({
      hostname,
      port,
      logger: null,
      heartbeatSeconds: 1,
      connectTimeoutMs: 250,
      reconnect: { initialDelayMs: 1, maxDelayMs: 3 },
    });
    this.#connection = connection;
    this.#publisher = new Publisher({
      connection,
      kind: number % 4 === 0 ? "sync" : "async",
      sendTimeoutMs: SEND_TIMEOUT_MS,
      onConnectionLoss: number % 3 === 0 ? "reject" : "resend",
    });
    const queue = number % 2 === 0
      ? { queueName: "work" }
      : { queueName: "", exchange: "wild", bindingKeys: ["one", "two"] };
    this.#consumer = new Consumer({
      connection,
      ...queue,
      workers: 4,
      retryDelayMs: number % 3 === 0 ? 0 : 1,
      taskFunction: (message) => this.#task(message),
    });
  }

  async start(): Promise<void> {
    await Promise.all([this.#publisher.start(), this.#consumer.start()]);
  }

  /** Runs a case; rejects where the lane is of no use any more. */
  async run(index: number, attack: Attack, random: Random): Promise<void> {
    this.busyWith = index;
    const attacked = this.#server.attack(attack);
    const over = new AbortController();
    for (let count = random.between(1, 4); count > 0; count--) {
      void this.#sendUntil(over.signal, index);
    }
    await this.#inTime("is not attacked", attacked).finally(() => over.abort());
    this.#server.behave();
    await this.#inTime("does not recover", this.#recovered(index));
  }

  /** Waits for the sends that are not settled. */
  async finish(): Promise<void> {
    const until = performance.now() + SEND_TIMEOUT_MS + LATE_MS;
    while (this.#open.size > 0 && performance.now() < until) await delay(5);
    for (const [id, index] of this.#open) this.#report(index, `never settled the send ${id}`);
  }

  async #inTime(what: string, promise: Promise<void>): Promise<void> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const health = Deno.inspect([this.#publisher.health(), this.#consumer.health()]);
      late.reject(new Error(`It ${what}: ${health}\n${this.#server.trace}`));
    }, RECOVERY_MS);
    try {
      await Promise.race([promise, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Resolves when a message was sent and confirmed, and another was received. */
  async #recovered(index: number): Promise<void> {
    const arrived = Promise.withResolvers<void>();
    this.#expected = { body: `good ${index}`, arrived: arrived.resolve };
    this.#server.offer(this.#expected.body);
    while (!(await this.#send(index))) await delay(1);
    await arrived.promise;
  }

  /** Sends again and again: what is sent may be lost with a connection that ends just then. */
  async #sendUntil(over: AbortSignal, index: number): Promise<void> {
    while (!over.aborted) {
      await this.#send(index);
      await delay(1);
    }
  }

  /** Sends a message, and sees to it that its outcome is in time and true. */
  async #send(index: number): Promise<boolean> {
    const id = `${index}.${++this.#lastSend}`;
    const sentAt = performance.now();
    this.#open.set(id, index);
    let isConfirmed = false;
    try {
      await this.#publisher.sendMessageToQueue({ queueName: "work", body: id, messageId: id });
      isConfirmed = true;
      const server = this.#server;
      if (this.busyWith === index && !server.confirmed.has(id) && !server.mayBeAhead(id)) {
        this.#report(index, `resolved the send ${id}, which was not confirmed:\n${server.trace}`);
      }
    } catch (error) {
      if (!(error instanceof PublishError)) {
        this.#report(index, `rejected the send ${id} with another error`, error);
      }
    }
    this.#open.delete(id);
    const tookMs = Math.round(performance.now() - sentAt);
    if (tookMs > SEND_TIMEOUT_MS + LATE_MS) {
      this.#report(index, `settled the send ${id} after ${tookMs} ms`);
    }
    return isConfirmed;
  }

  #task(message: Message): MessageStatus {
    const text = message.text(); // It rejects what is not UTF-8.
    if (text === this.#expected?.body) this.#expected.arrived();
    if (text === "bait" || text.startsWith("good ")) return MessageStatus.SUCCESS;
    return [
      MessageStatus.SUCCESS,
      MessageStatus.FAIL_DO_NOT_RETRY,
      MessageStatus.FAIL_RETRY_LATER,
    ][text.length % 3];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([
      this.#publisher.stop({ timeoutMs: 100 }),
      this.#consumer.stop({ timeoutMs: 100 }),
    ]);
    await this.#connection.close({ timeoutMs: 100 });
    await this.#server[Symbol.asyncDispose]();
  }
}
