const NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const LINE =
  /^\s*(?:export\s+)?([^\s=#]+)\s*=[ \t]*(?:'([^']*)'|"((?:[^"\\]|\\.)*)"|([^\r\n#]*))/gm;
const ESCAPES: Record<string, string> = { n: "\n", r: "\r", t: "\t" };

/**
 * The variables of a `.env` file. Double quotes know `\n`, `\r`, `\t`, `\"`, `\'` and `\\`; single quotes keep
 * everything as it stands. References to other variables are left as they stand.
 */
export function parse(text: string): Record<string, string> {
  const variables: Record<string, string> = Object.create(null);
  for (const [, name, single, double, bare] of text.matchAll(LINE)) {
    if (!NAME.test(name)) continue;
    variables[name] = single ??
      double?.replace(/\\([nrt"'\\])/g, (_, letter: string) => ESCAPES[letter] ?? letter) ??
      bare.trim();
  }
  return variables;
}
