import { assertEquals, assertThrows } from "@std/assert";
import { flagsOf } from "../../tools/example.ts";
import { readOptions } from "../../tools/options.ts";

Deno.test("readOptions tells our flags from what is passed on", () => {
  const options = readOptions(["--broker=4", "--unit", "--filter=a=b", "x_test.ts", "--other"], [
    "unit",
    "filter",
  ]);
  assertEquals(options.want, "4");
  assertEquals([...options.flags], [["broker", "4"], ["unit", ""], ["filter", "a=b"]]);
  assertEquals(options.rest, ["x_test.ts", "--other"]);
});

Deno.test("readOptions refuses a broker that is not there", () => {
  assertThrows(() => readOptions(["--broker=5"]), Error, "--broker=5");
});

Deno.test("flagsOf reads the second line of an example", () => {
  const source = [
    "// deno task example send",
    "// = deno run --allow-net=localhost:5672 --allow-env=RABBITMQ_HOST examples/send.ts",
    "",
  ].join("\n");
  assertEquals(flagsOf(source, "localhost:40000"), [
    "--allow-net=localhost:40000",
    "--allow-env=RABBITMQ_HOST",
  ]);
  assertThrows(() => flagsOf("console.log(1)\n", "localhost:5672"), Error, "second line");
});
