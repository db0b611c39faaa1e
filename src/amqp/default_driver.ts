import type { Driver } from "./driver.ts";

/**
 * The driver of every connection. What it consists of, amqplib above all, is loaded with the first
 * connection: a program that only imports this library, such as for its types, does not wait for it.
 */
export const defaultDriver: Driver = {
  async connect(target, events, signal) {
    // Named literally, for all that look for the parts of a program before it runs.
    const { amqplibDriver } = await import("./amqplib_driver.ts");
    return await amqplibDriver.connect(target, events, signal);
  },
};
