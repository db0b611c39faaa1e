// Where sockets cannot read into memory that is lent to them, they stream: what holds with it holds
// without it, too.

import { Intake } from "../../src/amqp/intake.ts";

Intake.isPossible = () => false;

await import("./amqplib_pitfalls_test.ts");
