/** Sets variables of the environment, `undefined` to unset one, and restores them when disposed of. */
export function withVariables(variables: Record<string, string | undefined>): Disposable {
  const before = Object.keys(variables).map((name) => [name, Deno.env.get(name)] as const);
  const set = (name: string, value: string | undefined) =>
    value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
  for (const [name, value] of Object.entries(variables)) set(name, value);
  return {
    [Symbol.dispose]() {
      for (const [name, value] of before) set(name, value);
    },
  };
}

/** The variables of the library, unset but for those that are given. */
export function onlyVariables(variables: Record<string, string> = {}): Disposable {
  const names = ["URL", "HOST", "PORT", "USERNAME", "PASSWORD", "VHOST"].map((n) =>
    `RABBITMQ_${n}`
  );
  return withVariables({
    ...Object.fromEntries(names.map((name) => [name, undefined])),
    ...variables,
  });
}
