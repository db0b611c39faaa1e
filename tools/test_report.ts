/** What a run of tests came to. */
export interface Report {
  readonly passed: number;
  readonly failed: number;
  /** The names of those that were not run, after their files. */
  readonly skipped: readonly string[];
}

const ENTITIES: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

function plain(text: string): string {
  return text
    .replace(
      /&#(x?)([0-9a-f]+);/gi,
      (_, hex, digits) => String.fromCodePoint(parseInt(digits, hex ? 16 : 10)),
    )
    .replace(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => ENTITIES[name]);
}

/** Counts the tests of a JUnit report. The steps of a test are parts of it and do not count. */
export function readReport(junit: string): Report {
  let passed = 0;
  let failed = 0;
  const skipped: string[] = [];
  const tests = new Set<string>();
  for (const [, attributes, body] of junit.matchAll(/<testcase ([^>]*)>([^]*?)<\/testcase>/g)) {
    const [, name = ""] = attributes.match(/name="([^"]*)"/) ?? [];
    const [, file = ""] = attributes.match(/classname="([^"]*)"/) ?? [];
    const key = `${plain(file)}: ${plain(name)}`;
    if ([...tests].some((test) => key.startsWith(`${test} > `))) continue;
    tests.add(key);
    if (body.includes("<skipped")) skipped.push(key);
    else if (body.includes("<failure") || body.includes("<error")) failed++;
    else passed++;
  }
  return { passed, failed, skipped };
}

/**
 * The report as the whole run has it: a module that threw, a runner that crashed, and a run without a test are failures
 * too, of which the JUnit report says nothing.
 *
 * @param text All that the runner has printed, without colours.
 */
export function completeReport(report: Report, text: string, exitCode: number): Report {
  const thrown = text.match(/^Uncaught error from .* FAILED$/gm)?.length ?? 0;
  const failed = report.failed + thrown;
  const isEmpty = report.passed + failed === 0;
  const isCrash = exitCode !== 0 && failed === 0;
  // The JUnit report takes what a filter has left out for skipped, too.
  const skipped = report.skipped.filter((key) =>
    text.includes(`\n${key.slice(key.indexOf(": ") + 2)} ... ignored (`)
  );
  return { ...report, skipped, failed: isEmpty || isCrash ? failed + 1 : failed };
}

/** The line that ends a run. */
export function summary(report: Report): string {
  const { passed, failed, skipped } = report;
  const counts = `${passed} passed, ${failed} failed`;
  return skipped.length === 0 ? counts : `${counts}, ${skipped.length} skipped`;
}
