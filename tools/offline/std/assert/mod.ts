/**
 * A stand-in for the part of `@std/assert` that this repository uses.
 *
 * @module
 */
export * from "./assertion_error.ts";
export * from "./contents.ts";
export * from "./equal.ts";
export * from "./equality.ts";
export * from "./failures.ts";
export * from "./numbers.ts";
export * from "./truth.ts";
