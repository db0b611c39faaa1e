import { assertEquals } from "@std/assert";
import { defaultConnectionName } from "../src/connection_name.ts";

const NAMES: [string | undefined, string][] = [
  ["file:///home/ann/customer/worker.ts", "lapinmq worker.ts 7"],
  ["https://user:secret@example.com/app/main.ts?token=secret#secret", "lapinmq main.ts 7"],
  ["file:///C:/my%20jobs/r%C3%A9sum%C3%A9.ts", "lapinmq résumé.ts 7"],
  ["file:///a/100%.ts", "lapinmq 100%.ts 7"],
  ["file:///a/b%0Ac.ts", "lapinmq bc.ts 7"],
  [`file:///a/${"x".repeat(200)}.ts`, `lapinmq ${"x".repeat(100)} 7`],
  ["file:///a/$lapinmq$task", "lapinmq 7"],
  ["data:text/javascript,secret", "lapinmq 7"],
  ["file:///", "lapinmq 7"],
  ["no URL", "lapinmq 7"],
  ["", "lapinmq 7"],
];

for (const [main, name] of NAMES) {
  Deno.test(`defaultConnectionName of ${main} is ${name}`, () => {
    assertEquals(defaultConnectionName(main, 7), name);
  });
}
