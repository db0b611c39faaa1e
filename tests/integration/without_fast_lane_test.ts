// Where amqplib is not as the fast lane expects it, amqplib does it all. What users are promised of
// messages and settlements holds all the same, on a real broker.

import { FastLane } from "../../src/amqp/fast_lane.ts";

FastLane.of = () => undefined;

await import("./publisher_confirms_test.ts");
await import("./publisher_message_test.ts");
await import("./publisher_refused_test.ts");
await import("./publisher_unroutable_test.ts");
await import("./publisher_faults_test.ts");
await import("./consumer_publisher_test.ts");
await import("./consumer_recovery_test.ts");
await import("./consumer_settle_test.ts");
await import("./consumer_status_test.ts");
await import("./consumer_stop_test.ts");
