import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { greet } from "../../tools/broker/probe.ts";
import { brokerFromEnvironment } from "../../tools/broker.ts";

const broker = brokerFromEnvironment();
const isTheirs = !broker.own;

Deno.test("brokerFromEnvironment describes a broker that lets its user in", async () => {
  const { hostname, port, username, password, vhost, version } = broker;
  if (broker.url.startsWith("amqps:")) return;
  const greeting = await greet({ hostname, port }, { login: { username, password, vhost } });
  assertEquals(greeting.version, version);
});

Deno.test({
  name: "Broker.ctl runs rabbitmqctl on the broker of the tests",
  ignore: isTheirs,
  fn: async () => assertStringIncludes(await broker.ctl!("list_users"), broker.username),
});

Deno.test({
  name: "Broker.evaluate gives the value of an Erlang expression on the broker of the tests",
  ignore: isTheirs,
  fn: async () => {
    assertEquals(await broker.evaluate!("1 + 1"), "2");
    assertMatch(await broker.evaluate!("rabbit:product_version()."), /^"\d+\.\d+\.\d+/);
  },
});
