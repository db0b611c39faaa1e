/** The version of this library, as the broker sees it. A test holds it equal to `deno.json`. */
export const VERSION = "0.1.0";
