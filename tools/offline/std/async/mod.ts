/**
 * A stand-in for the part of `@std/async` that this repository uses.
 *
 * @module
 */
export * from "./deadline.ts";
export * from "./delay.ts";
