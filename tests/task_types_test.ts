import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { ConfigurationError, Consumer, defineTask, MessageStatus } from "../mod.ts";
import { launch } from "../tools/launch.ts";

const queueName = "work";
const taskFunction = () => MessageStatus.SUCCESS;
const taskModule = new URL("file:///task.ts");

/** Each is refused twice: by the compiler, which the comments make sure of, and when it runs. */
const REFUSED: readonly (() => Consumer)[] = [
  // @ts-expect-error There is no task.
  () => new Consumer({ queueName }),
  // @ts-expect-error There are two.
  () => new Consumer({ queueName, taskFunction, taskModule }),
  // @ts-expect-error It runs in the program.
  () => new Consumer({ queueName, taskFunction, isolation: "thread" }),
  // @ts-expect-error It runs in the program.
  () => new Consumer({ queueName, taskFunction, taskPermissions: "none" }),
  // @ts-expect-error A thread has the permissions of its program.
  () => new Consumer({ queueName, taskModule, taskPermissions: "none" }),
  // @ts-expect-error It is no process.
  () => new Consumer({ queueName, taskModule, isolation: "thread", taskRunFlags: [] }),
  // @ts-expect-error There is no such isolation.
  () => new Consumer({ queueName, taskModule, isolation: "fibre" }),
];

Deno.test("Consumer refuses options of tasks that contradict each other, and so does the compiler", () => {
  for (const make of REFUSED) assertThrows(make, ConfigurationError);
});

Deno.test("defineTask refuses, by its types, what cannot leave the program", () => {
  // @ts-expect-error No callback of another program settles its message.
  defineTask(() => MessageStatus.HANDLED_VIA_CALLBACK);
  defineTask((message) => {
    // @ts-expect-error It settles nothing by itself.
    message.ack();
    return MessageStatus.SUCCESS;
  });
  // @ts-expect-error It returns no status.
  defineTask(() => {});
  // @ts-expect-error It is no function.
  assertThrows(() => defineTask("task"), TypeError);
});

Deno.test("the compiler points at a task that returns no status, and at nothing else", async () => {
  const lines = [
    `import { Consumer, type Message } from ${JSON.stringify(import.meta.resolve("../mod.ts"))};`,
    `new Consumer({ queueName: "work", workers: 2, taskFunction: () => 42 });`,
    `new Consumer({ queueName: "work", taskFunction: async (message: Message) => { await message; } });`,
  ];
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, lines.join("\n"));
    const child = launch(["check", file], { stdout: "piped", stderr: "piped" });
    const { success, stderr } = await child.output();
    const text = new TextDecoder().decode(stderr);
    assert(!success);
    for (const line of lines.slice(1)) assertStringIncludes(text, line);
    assertMatch(text, /Type 'number' is not assignable to type 'MessageStatus/);
    assertMatch(text, /Type 'void' is not assignable to type 'MessageStatus/);
    assertEquals(text.match(/taskFunction\?: undefined/), null);
  } finally {
    await Deno.remove(file);
  }
});
