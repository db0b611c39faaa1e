import {
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  ConfigurationError,
  Consumer,
  MessageStatus,
  waitForShutdown,
  type WaitForShutdownOptions,
  waitForSigterm,
} from "../../mod.ts";
import { connectionForTest } from "../support/broker.ts";

/** Bad options, and what the error says of each: the option, the value received, what is allowed. */
type Row = readonly [options: Record<string, unknown>, ...says: string[]];

const MAX = 2_147_483_647;
const COUNT = "a whole number from 1 to 65535";
const LONG = "ü".repeat(128);

function numbers(option: string, range: string, values: readonly unknown[]): Row[] {
  return values.map((value) => {
    const received = typeof value === "string" ? `"${value}"` : `${value}`;
    return [{ [option]: value }, `"${option}"`, `received ${received}`, range];
  });
}

const ROWS: readonly Row[] = [
  ...numbers("workers", COUNT, [0, -1, 1.5, NaN, Infinity, 65_536, 70_000, "3", null, true, 3n]),
  ...numbers("prefetch", COUNT, [0, -1, 1.5, NaN, Infinity, 65_536, 70_000, "3", null]),
  [
    { workers: 3, prefetch: 2 },
    '"prefetch"',
    "received 2",
    'from "workers" (3) to 65535',
  ],
  ...numbers("retryDelayMs", "from 0 to 900000 milliseconds", [-1, 0.5, NaN, 900_001, "1s", null]),
  ...numbers("taskTimeoutMs", `from 1 to ${MAX} milliseconds`, [0, -1, 1.5, NaN, MAX + 1, null]),
  ...[-1, 1.5, NaN, MAX + 1, "1"].map((taskGraceMs): Row => [
    { taskTimeoutMs: 1, taskGraceMs },
    '"taskGraceMs"',
    "received ",
    `from 0 to ${MAX} milliseconds`,
  ]),
  [{ taskGraceMs: 5 }, '"taskGraceMs" without "taskTimeoutMs"', "give both"],

  [{ queueName: undefined }, '"queueName"', "received undefined", "a string"],
  [{ queueName: null }, '"queueName"', "received null", "a string"],
  [{ queueName: 7 }, '"queueName"', "received 7", "a string"],
  [{ queueName: LONG }, '"queueName"', 'received "üü', "at most 255 bytes"],
  [{ taskFunction: undefined }, '"taskFunction"', "received undefined", "must be a function"],
  [{ taskFunction: "task" }, '"taskFunction"', 'received "task"', "returns a MessageStatus"],
  [{ taskFunction: {} }, '"taskFunction"', "received an object", "must be a function"],
  [{ connection: {} }, '"connection"', "received an object", "must be a Connection"],
  [{ connection: "amqp://localhost" }, '"connection"', "must be a Connection"],
  [{ connection: null }, '"connection"', "received null", "must be a Connection"],

  [{ bindingKeys: ["black"] }, '"bindingKeys" without "exchange"', "give both"],
  [{ bindingKeys: [] }, '"bindingKeys" without "exchange"'],
  [{ exchange: "" }, '"exchange"', 'received ""', "not empty"],
  [{ exchange: 7 }, '"exchange"', "received 7", "a string"],
  [{ exchange: null }, '"exchange"', "received null", "a string"],
  [{ exchange: LONG }, '"exchange"', "at most 255 bytes"],
  [{ exchange: "e", bindingKeys: [] }, '"bindingKeys"', "received an array", "at least one"],
  [{ exchange: "e", bindingKeys: "black" }, '"bindingKeys"', 'received "black"', "an array"],
  [{ exchange: "e", bindingKeys: null }, '"bindingKeys"', "received null", "an array"],
  [{ exchange: "e", bindingKeys: ["a", 7] }, '"bindingKeys[1]"', "received 7", "a string"],
  [{ exchange: "e", bindingKeys: [LONG] }, '"bindingKeys[0]"', "at most 255 bytes"],

  [{ queueArguments: {} }, '"queueArguments" with queue "q"', "they are for a temporary queue"],
  [{ queueName: "", queueArguments: 7 }, '"queueArguments"', "received 7"],
  [{ queueName: "", queueArguments: [] }, '"queueArguments"', "received an array"],
  [{ queueName: "", queueArguments: { a: NaN } }, "queueArguments", "NaN"],
  [{ queueName: "", queueArguments: { a: () => {} } }, "queueArguments", "a function"],
  [
    { queueName: "", queueArguments: { "x-queue-type": "quorum" } },
    '"queueArguments.x-queue-type"',
    'received "quorum"',
    'only be "classic"',
  ],

  [{ worker: 3 }, '"worker"', "no such option", "workers"],
  [{ Prefetch: 3 }, '"Prefetch"', "no such option", "prefetch"],
  [{ onError: undefined }, '"onError"', "no such option"],
];

for (const [options, ...says] of ROWS) {
  const name = Deno.inspect(options, { strAbbreviateSize: 20, breakLength: Infinity });
  Deno.test(`Consumer refuses the options ${name}`, async () => {
    await using connection = connectionForTest();
    const error = assertThrows(() =>
      new Consumer({
        connection,
        queueName: "q",
        taskFunction: () => MessageStatus.SUCCESS,
        ...options,
      })
    );
    assertInstanceOf(error, ConfigurationError);
    assertEquals(error.code, "CONFIGURATION");
    for (const part of ["Cannot use ", ...says]) assertStringIncludes(error.message, part);
  });
}

Deno.test("Consumer refuses what is no options object at all", () => {
  for (const options of [undefined, null, 7, "queue", []]) {
    const error = assertThrows(() => new Consumer(options as never), ConfigurationError);
    assertStringIncludes(error.message, "pass an object");
  }
});

Deno.test("Consumer takes the extreme values of its options", async () => {
  await using connection = connectionForTest();
  const options = { connection, taskFunction: () => MessageStatus.SUCCESS };
  for (
    const extreme of [
      { workers: 1, prefetch: 1, retryDelayMs: 0, taskTimeoutMs: 1, taskGraceMs: 0 },
      { workers: 65_535, prefetch: 65_535, retryDelayMs: 900_000, taskTimeoutMs: MAX },
      { exchange: "e", bindingKeys: ["", "k".repeat(255)] },
      { workers: undefined, prefetch: undefined, exchange: undefined, bindingKeys: undefined },
    ]
  ) {
    assertEquals(new Consumer({ ...options, queueName: "q", ...extreme }).queueName, "q");
  }
  new Consumer({ ...options, queueName: "q".repeat(255) });
});

Deno.test("Consumer.stop refuses bad options, and stops nothing then", async () => {
  await using connection = connectionForTest();
  const consumer = new Consumer({
    connection,
    queueName: "",
    taskFunction: () => MessageStatus.SUCCESS,
  });
  await consumer.start();
  for (const timeoutMs of [-1, 0.5, NaN, Infinity, MAX + 1, "1", null]) {
    const error = await assertRejects(
      () => consumer.stop({ timeoutMs: timeoutMs as number }),
      ConfigurationError,
    );
    assertStringIncludes(error.message, `"timeoutMs"`);
    assertStringIncludes(error.message, `from 0 to ${MAX} milliseconds`);
  }
  const error = await assertRejects(
    () => consumer.stop({ timeout: 5 } as Record<string, number>),
    ConfigurationError,
  );
  assertStringIncludes(error.message, `"timeout"`);
  await assertRejects(() => consumer.stop(5 as never), ConfigurationError);
  assertEquals(consumer.health().status, "up");
});

Deno.test("waitForShutdown and waitForSigterm refuse bad options", async () => {
  const rows: readonly Row[] = [
    [{ timeoutMs: -1 }, '"timeoutMs"', "received -1", `from 0 to ${MAX} milliseconds`],
    [{ timeoutMs: NaN }, '"timeoutMs"', "received NaN"],
    [{ timeoutMs: "10" }, '"timeoutMs"', 'received "10"'],
    [{ timeoutMs: MAX + 1 }, '"timeoutMs"', `received ${MAX + 1}`],
    [{ signal: {} }, '"signal"', "received an object", "an AbortSignal"],
    [{ signal: new AbortController() }, '"signal"', "an AbortSignal"],
    [{ osSignals: "SIGINT" }, '"osSignals"', 'received "SIGINT"', "an array"],
    [{ osSignals: ["SIGKILL"] }, '"osSignals', 'received "SIGKILL"', '"SIGTERM"'],
    [{ osSignals: [undefined] }, '"osSignals', "received undefined"],
    [{ timeout: 10 }, '"timeout"', "no such option", "timeoutMs"],
  ];
  for (const [options, ...says] of rows) {
    const error = await assertRejects(
      () => waitForShutdown({ timeoutMs: 0, ...options } as WaitForShutdownOptions),
      ConfigurationError,
    );
    for (const part of says) assertStringIncludes(error.message, part);
  }
  for (const timeoutMs of [-1, 1.5, NaN, "10", null]) {
    const error = await assertRejects(
      () => waitForSigterm(timeoutMs as number),
      ConfigurationError,
    );
    assertStringIncludes(error.message, '"timeoutMs"');
  }
});
