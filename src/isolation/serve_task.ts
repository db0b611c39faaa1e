import { ConfigurationError, LapinmqError } from "../errors.ts";
import { outcomeOfReturn, outcomeOfThrow, type ReturnedOutcome } from "../message_status.ts";
import { catchListenerErrors } from "../runtime.ts";
import { isTask, type Task } from "../task.ts";
import { show } from "../validate.ts";
import { IsolatedMessage } from "./isolated_message.ts";
import {
  errorOf,
  type FromTask,
  fromWire,
  outcomeToWire,
  type PlainError,
  plainError,
  type SettlingOutcome,
  type ToTask,
  type WireMessage,
  type WireOutcome,
} from "./wire.ts";

/** How a thread or process speaks with the program that started it. */
export interface TaskPort {
  /** Tells the program. */
  post(message: FromTask): void;
  /** Sets who is told what arrives, in its order. Called once. */
  listen(listener: (message: ToTask) => void): void;
}

/**
 * Imports the module of a URL. It stands in the `data:` module that a thread or process begins with:
 * a module that comes from JSR, as this one may, is not allowed to import from another web server.
 */
export type ImportTask = (href: string) => Promise<{ readonly default?: unknown }>;

/** Runs the task of a module for the program: neither this nor what it imports may load amqplib. */
export function serveTask(port: TaskPort, importTask: ImportTask): void {
  let task: Task;
  let running: AbortController | undefined;
  let thrownByListener: PlainError | undefined;

  async function load(href: string): Promise<void> {
    try {
      task = await loadTask(href, importTask);
      port.post({ kind: "ready" });
    } catch (error) {
      port.post({ kind: "unusable", error: plainError(error) });
    }
  }

  async function run(message: WireMessage): Promise<void> {
    running = new AbortController();
    const outcome = await outcomeOf(task, new IsolatedMessage(fromWire(message), running.signal));
    running = undefined;
    const listener = thrownByListener;
    thrownByListener = undefined;
    port.post({
      kind: "done",
      outcome: listener === undefined ? outcome : { ...outcome, listener },
    });
  }

  port.listen((told) => {
    switch (told.kind) {
      case "load":
        void load(told.href);
        break;
      case "run":
        void run(told.message);
        break;
      case "abort":
        abort(errorOf(told.reason));
    }
  });

  function abort(reason: Error): void {
    catchListenerErrors(() => running?.abort(reason), (error) => {
      thrownByListener ??= plainError(error);
    });
  }
}

async function loadTask(href: string, importTask: ImportTask): Promise<Task> {
  let loaded: unknown;
  try {
    loaded = (await importTask(href)).default;
  } catch (thrown) {
    const { failure: cause } = outcomeOfThrow(thrown);
    throw new ConfigurationError(
      `Cannot load the task module ${shortHref(href)}: ${cause.message}`,
      { cause },
    );
  }
  if (isTask(loaded)) return loaded;
  throw new ConfigurationError(
    `Cannot use the task module ${shortHref(href)}: its default export is ${show(loaded)}: write ` +
      `"export default defineTask((message) => …)"`,
  );
}

/** A `data:` URL is the whole module. */
function shortHref(href: string): string {
  return show(href.startsWith("data:") ? href : href.slice(-200));
}

async function outcomeOf(task: Task, message: IsolatedMessage): Promise<WireOutcome> {
  return outcomeToWire(withoutCallback(await outcome(task, message)));
}

async function outcome(task: Task, message: IsolatedMessage): Promise<ReturnedOutcome> {
  try {
    return outcomeOfReturn(await task(message));
  } catch (thrown) {
    return outcomeOfThrow(thrown);
  }
}

function withoutCallback(outcome: ReturnedOutcome): SettlingOutcome {
  if (outcome.kind !== "callback") return outcome;
  return {
    kind: "retry",
    failure: new LapinmqError(
      `Cannot hand a message to a callback in a task module: it cannot leave the program that ` +
        `received it: return another MessageStatus; the message will be retried`,
      { code: "NOT_IN_TASK_MODULE" },
    ),
  };
}
