/**
 * A stand-in for the part of `@std/dotenv` that this repository uses.
 *
 * @module
 */
export * from "./parse.ts";
