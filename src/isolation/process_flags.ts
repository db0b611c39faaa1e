import { ConfigurationError } from "../errors.ts";
import { holdsInFull, readEnvironment } from "../runtime.ts";
import { isPlainObject, knownOptions, refuse, show } from "../validate.ts";

/**
 * What the process of a task may do, by name: `true` for all, a list for what it names, `false` or
 * left out for nothing. The lists are those of the flags of `deno run`, such as `--allow-net`.
 */
export interface TaskPermissionsByName {
  /** Hosts, such as `"example.com:443"`. */
  readonly net?: boolean | readonly string[];
  /** Files and folders to read. The task module itself, and what it imports, need none. */
  readonly read?: boolean | readonly string[];
  /** Files and folders to write. */
  readonly write?: boolean | readonly string[];
  /** Names of variables of the environment. */
  readonly env?: boolean | readonly string[];
  /** Programs. A task that may run programs may do anything that they can. */
  readonly run?: boolean | readonly string[];
  /** Kinds of information about the system, such as `"hostname"`. */
  readonly sys?: boolean | readonly string[];
  /** Files of dynamic libraries. A task that may load those may do anything that they can. */
  readonly ffi?: boolean | readonly string[];
  /**
   * Hosts to import modules from, such as `"esm.sh:443"`, beside that of the task module. Left out:
   * jsr.io alone, for the packages of `jsr:`; those of `npm:` need no permission.
   */
  readonly import?: boolean | readonly string[];
}

/** What the process of a task may do. */
export type TaskPermissions = "none" | "inherit" | TaskPermissionsByName;

const NAMES = ["net", "read", "write", "env", "run", "sys", "ffi", "import"] as const;

/** From where every program may import; `--allow-import=…` replaces the list. */
const DEFAULT_IMPORT_HOSTS = [
  "deno.land:443",
  "jsr.io:443",
  "esm.sh:443",
  "raw.esm.sh:443",
  "cdn.jsdelivr.net:443",
  "raw.githubusercontent.com:443",
  "gist.githubusercontent.com:443",
];

/**
 * Flags that would say the same as the permissions, or contradict them. Short ones may stand in a group,
 * in which `-c` and `-L` take the rest for their value.
 */
const PERMISSION_FLAG =
  /^(-[^-cL=]*[ARWINESP]|--(allow|deny|ignore)-(?!scripts)|--permission-set|--no-prompt)/;

/** Validates the option `taskPermissions`. */
export function resolveTaskPermissions(value: unknown): TaskPermissions {
  if (value === undefined) return "inherit";
  if (value === "none" || value === "inherit") return value;
  if (!isPlainObject(value)) {
    refuse("taskPermissions", value, `"none", "inherit", or an object with ${NAMES.join(", ")}`);
  }
  knownOptions("task permissions", value, NAMES);
  return Object.fromEntries(
    NAMES.filter((name) => value[name] !== undefined)
      .map((name) => [name, resolvePermission(name, value[name])]),
  );
}

function resolvePermission(name: string, value: unknown): boolean | readonly string[] {
  if (typeof value === "boolean") return value;
  if (Array.isArray(value) && value.every(canBeListed)) return [...value];
  const received = Array.isArray(value) ? `[${value.map(show).join(", ")}]` : show(value);
  throw new ConfigurationError(
    `Cannot use option "taskPermissions.${name}": received ${received}: it must be true, false, or ` +
      `an array of strings that are not empty and have no comma, as "deno run" separates them by it`,
  );
}

function canBeListed(value: unknown): boolean {
  return typeof value === "string" && value !== "" && !value.includes(",");
}

/** Validates the option `taskRunFlags`. */
export function resolveTaskRunFlags(value: unknown): readonly string[] {
  if (value === undefined) return [];
  const expected = `it must be an array of flags of "deno run", each with its value, such as ` +
    `"--v8-flags=--max-old-space-size=512"`;
  if (!Array.isArray(value)) {
    throw new ConfigurationError(
      `Cannot use option "taskRunFlags": received ${show(value)}: ${expected}`,
    );
  }
  return value.map((flag, index) => {
    if (typeof flag === "string" && PERMISSION_FLAG.test(flag)) {
      throw new ConfigurationError(
        `Cannot use option "taskRunFlags[${index}]": received ${
          show(flag)
        }: what the task may do is ` +
          `said by "taskPermissions"`,
      );
    }
    // What does not begin like a flag would be taken for the program to run.
    if (typeof flag === "string" && /^-+[a-z]/i.test(flag)) return flag;
    throw new ConfigurationError(
      `Cannot use option "taskRunFlags[${index}]": received ${show(flag)}: ${expected}`,
    );
  });
}

/**
 * The flags of `deno run` that give a process exactly these permissions.
 *
 * What is not given is denied by name and never merely left out: `node:child_process`, which starts
 * the process, adds `-A` to a `deno run` that has no flag of a permission.
 *
 * @param hrefs The modules that the process has to load, whatever it may do.
 */
export function permissionFlags(
  permissions: TaskPermissions,
  hrefs: readonly string[],
): readonly string[] {
  return NAMES.flatMap((name) => {
    const given = givenOf(permissions, name);
    return name === "import"
      ? importFlags(given, importHosts(hrefs), permissions === "inherit")
      : flagOf(name, given ?? false);
  });
}

function givenOf(permissions: TaskPermissions, name: typeof NAMES[number]) {
  if (permissions === "none") return undefined;
  if (permissions !== "inherit") return permissions[name];
  // Of what is held in part nobody can list the parts.
  return holdsInFull(name) ? true : undefined;
}

function flagOf(name: string, given: boolean | readonly string[]): string {
  if (given === true) return `--allow-${name}`;
  return given === false || given.length === 0
    ? `--deny-${name}`
    : `--allow-${name}=${given.join(",")}`;
}

function importFlags(
  given: boolean | readonly string[] | undefined,
  needed: readonly string[],
  inherits: boolean,
): string[] {
  if (given === true) return [flagOf("import", true)];
  if (given !== undefined) return [flagOf("import", [...(given || []), ...needed])];
  // Whoever may import from a host may tell it whatever the task knows, by the URL.
  if (!inherits) return [flagOf("import", [...new Set([...needed, ...importHosts([jsrHref()])])])];
  const more = needed.filter((host) => !DEFAULT_IMPORT_HOSTS.includes(host));
  return more.length === 0 ? [] : [flagOf("import", [...DEFAULT_IMPORT_HOSTS, ...more])];
}

/** From where Deno has the packages of `jsr:`. */
function jsrHref(): string {
  const named = readEnvironment("JSR_URL") ?? "";
  return URL.canParse(named) ? named : "https://jsr.io";
}

function importHosts(hrefs: readonly string[]): string[] {
  const hosts = hrefs.map((href) => new URL(href))
    .filter(({ protocol }) => protocol === "http:" || protocol === "https:")
    .map(({ hostname, port, protocol }) =>
      `${hostname}:${port || (protocol === "https:" ? "443" : "80")}`
    );
  return [...new Set(hosts)];
}
