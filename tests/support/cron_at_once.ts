/** Preloaded by a program under test: its cron jobs are due at once, and then never again. */
Object.defineProperty(Deno, "cron", {
  value: async (_name: string, _schedule: string, handler: () => unknown) => {
    await Promise.resolve();
    await handler();
  },
});
