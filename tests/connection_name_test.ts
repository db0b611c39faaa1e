import { assertEquals } from "@std/assert";
import { defaultConnectionName } from "../src/connection_name.ts";

const NAMES: [string | undefined, string][] = [
  ["file:///home/ann/customer/worker.ts", "lapinmq (worker.ts)"],
  ["https://user:secret@example.com/app/main.ts?token=secret#secret", "lapinmq (main.ts)"],
  ["file:///C:/my%20jobs/r%C3%A9sum%C3%A9.ts", "lapinmq (résumé.ts)"],
  ["file:///a/100%.ts", "lapinmq (100%.ts)"],
  ["file:///a/b%0Ac.ts", "lapinmq (bc.ts)"],
  [`file:///a/${"x".repeat(200)}.ts`, `lapinmq (${"x".repeat(100)})`],
  ["file:///a/$lapinmq$task", "lapinmq"],
  ["data:text/javascript,secret", "lapinmq"],
  ["file:///", "lapinmq"],
  ["no URL", "lapinmq"],
  ["", "lapinmq"],
];

for (const [main, name] of NAMES) {
  Deno.test(`defaultConnectionName of ${main} is ${name}`, () => {
    assertEquals(defaultConnectionName(main), name);
  });
}
