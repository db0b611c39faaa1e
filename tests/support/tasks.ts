/** Tasks for consumers under test. */

import { type Message, MessageStatus } from "../../mod.ts";
import { eventually } from "./eventually.ts";

/** A task that notes what it received. */
export interface NotingTask {
  (message: Message): MessageStatus;
  /** The messages it received, in their order. */
  readonly messages: Message[];
  /** Their bodies, read as text. */
  readonly bodies: string[];
  /** Waits until it has received so many. */
  waitFor(count: number): Promise<Message[]>;
}

/** Makes a task that notes what it receives and returns always the same. */
export function notingTask(status: MessageStatus = MessageStatus.SUCCESS): NotingTask {
  const messages: Message[] = [];
  const task = (message: Message) => {
    messages.push(message);
    return status;
  };
  return Object.defineProperties(task, {
    messages: { value: messages },
    bodies: { get: () => messages.map((message) => message.text()) },
    waitFor: { value: (count: number) => receivedBy(messages, count) },
  }) as NotingTask;
}

/** A task of which the test decides how long it takes. */
export interface HeldTask {
  (message: Message): Promise<MessageStatus>;
  /** The messages it received, in their order. */
  readonly messages: Message[];
  /** How many are being worked on. */
  readonly running: number;
  /** The most that were worked on at one time. */
  readonly most: number;
  /** Ends the oldest that still runs, with a status or an error. */
  end(how?: MessageStatus | Error): void;
  /** Ends all that run, and every later one at once. */
  endAll(status?: MessageStatus): void;
  /** Waits until it has received so many. */
  waitFor(count: number): Promise<Message[]>;
}

/** Makes a task that goes on until the test ends it. */
export function heldTask(): HeldTask {
  const messages: Message[] = [];
  const held: PromiseWithResolvers<MessageStatus>[] = [];
  let always: MessageStatus | undefined;
  let running = 0;
  let most = 0;
  const task = async (message: Message) => {
    messages.push(message);
    most = Math.max(most, ++running);
    try {
      if (always !== undefined) return always;
      const end = Promise.withResolvers<MessageStatus>();
      held.push(end);
      return await end.promise;
    } finally {
      running--;
    }
  };
  return Object.defineProperties(task, {
    messages: { value: messages },
    running: { get: () => running },
    most: { get: () => most },
    end: {
      value: (how: MessageStatus | Error = MessageStatus.SUCCESS) => {
        const end = held.shift();
        if (end === undefined) throw new Error("Cannot end a task: none is running");
        if (how instanceof Error) end.reject(how);
        else end.resolve(how);
      },
    },
    endAll: {
      value: (status: MessageStatus = MessageStatus.SUCCESS) => {
        always = status;
        for (const end of held.splice(0)) end.resolve(status);
      },
    },
    waitFor: { value: (count: number) => receivedBy(messages, count) },
  }) as HeldTask;
}

async function receivedBy(messages: Message[], count: number): Promise<Message[]> {
  await eventually(`the task has received ${count} messages`, () => messages.length >= count);
  return messages;
}
