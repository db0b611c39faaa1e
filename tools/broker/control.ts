import { output } from "./command.ts";
import type { Broker, Control } from "./types.ts";

/** The two ways to command a broker, as its {@linkcode Control} describes them. */
export function controls(control: Control): Required<Pick<Broker, "ctl" | "evaluate" | "control">> {
  const { environment } = control;
  return {
    control,
    ctl: (...args) => output([...control.ctl, ...args], { environment }),
    evaluate: (expression) => evaluate(control, expression),
  };
}

/** How often a node that is running may turn a caller away before that counts. */
const ATTEMPTS = 5;

/** Asks again if the node did not take the call: then it has done nothing. */
async function connecting(call: () => Promise<string>): Promise<string> {
  for (let attempt = 1;; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (attempt === ATTEMPTS || !/failed to connect/.test(String(error))) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200 * attempt));
    }
  }
}

async function evaluate(control: Control, expression: string): Promise<string> {
  const text = `${expression.trim().replace(/\.$/, "")}.\n`;
  const { environment } = control;
  if (control.evaluate.length === 0) {
    return (await output([...control.ctl, "eval", text], { environment })).trim();
  }
  const answer = await connecting(() => output(control.evaluate, { environment, stdin: text }));
  const value = answer.match(/^\{ok, ([^]*)\}\s*$/);
  if (!value) throw new Error(`Cannot evaluate ${text}: the broker answered ${answer.trim()}`);
  return value[1];
}
