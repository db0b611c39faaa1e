// Where sockets cannot read into memory that is lent to them, they stream. What users are promised of
// messages and connections holds all the same, on a real broker.

import { Intake } from "../../src/amqp/intake.ts";

Intake.isPossible = () => false;

await import("./connection_tls_test.ts");
await import("./fast_lane_test.ts");
await import("./publisher_confirms_test.ts");
await import("./publisher_unroutable_test.ts");
await import("./publisher_faults_test.ts");
await import("./consumer_body_test.ts");
await import("./consumer_publisher_test.ts");
await import("./consumer_recovery_test.ts");
await import("./consumer_settle_test.ts");
