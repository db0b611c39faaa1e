import { assertThrows } from "@std/assert";
import { ConfigurationError } from "../../src/errors.ts";
import { checkDeno } from "../../src/isolation/task_options.ts";

Deno.test("checkDeno refuses a Deno whose processes receive no bytes, and names the one to use", () => {
  for (const version of ["1.46.3", "2.0.0", "2.5.0", "2.5.7", "2.5.7+abc"]) {
    assertThrows(
      () => checkDeno(version),
      ConfigurationError,
      `Cannot use isolation "process" on Deno ${version}: a process of it does not receive the ` +
        `bytes of a message: run the program with Deno 2.6.0 or later, or use isolation "thread"`,
    );
  }
});

Deno.test("checkDeno lets every later Deno pass, and what is none", () => {
  for (const version of ["2.6.0", "2.6.0-rc.1", "2.10.3", "3.0.0", Deno.version.deno, undefined]) {
    checkDeno(version);
  }
});
