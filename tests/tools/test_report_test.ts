import { assertEquals } from "@std/assert";
import { completeReport, readReport, summary } from "../../tools/test_report.ts";

const JUNIT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="5" failures="2" errors="0" time="0.1">
  <testsuite name="a_test.ts" tests="5" disabled="1" errors="0" failures="2">
    <testcase name="one &gt; &quot;two&quot;" classname="a_test.ts" time="0.1" line="1" col="6">
    </testcase>
    <testcase name="left" classname="a_test.ts" time="0" line="2" col="6">
      <skipped/>
    </testcase>
    <testcase name="bad" classname="a_test.ts" time="0" line="3" col="6">
      <failure message="Uncaught Error: no">Error: no</failure>
    </testcase>
    <testcase name="bad &gt; step" classname="a_test.ts" time="0" line="3" col="9">
      <failure message="Uncaught Error: no">Error: no</failure>
    </testcase>
  </testsuite>
</testsuites>`;
const IGNORED = "\nleft ... ignored (0ms)\n";

Deno.test("readReport counts tests, and not their steps", () => {
  assertEquals(readReport(JUNIT), { passed: 1, failed: 1, skipped: ["a_test.ts: left"] });
});

Deno.test("readReport finds nothing in an empty report", () => {
  assertEquals(readReport(""), { passed: 0, failed: 0, skipped: [] });
});

Deno.test("completeReport counts modules that threw", () => {
  const text =
    `${IGNORED}Uncaught error from ./b_test.ts FAILED\nUncaught error from ./c_test.ts FAILED\n`;
  assertEquals(completeReport(readReport(JUNIT), text, 1).failed, 3);
});

Deno.test("completeReport takes a crash and an empty run for a failure", () => {
  assertEquals(completeReport({ passed: 3, failed: 0, skipped: [] }, "", 1).failed, 1);
  assertEquals(completeReport({ passed: 0, failed: 0, skipped: [] }, "", 0).failed, 1);
  assertEquals(completeReport({ passed: 3, failed: 0, skipped: [] }, "", 0).failed, 0);
});

Deno.test("completeReport tells what was ignored from what a filter left out", () => {
  const report = { passed: 1, failed: 0, skipped: ["a_test.ts: left", "a_test.ts: filtered"] };
  assertEquals(completeReport(report, IGNORED, 0).skipped, ["a_test.ts: left"]);
});

Deno.test("summary is the plain line of counts", () => {
  assertEquals(summary({ passed: 3, failed: 0, skipped: [] }), "3 passed, 0 failed");
  assertEquals(summary({ passed: 3, failed: 1, skipped: ["x"] }), "3 passed, 1 failed, 1 skipped");
});
