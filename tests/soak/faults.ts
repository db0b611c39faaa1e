/** The faults: how each is brought about, and how it heals. */

import type { Node } from "../../tools/broker.ts";
import type { Brokers } from "./brokers.ts";
import type { Slot } from "./fleet.ts";
import type { Proxy, Weather } from "./proxy.ts";
import type { Random } from "../support/random.ts";

/** What a fault may lay hands on. */
export interface Scene {
  readonly brokers: Brokers;
  /** The programs. Those with number 0 are never ended, so that their memory can be followed. */
  readonly slots: readonly Slot[];
  readonly random: Random;
}

/** How a fault went. */
export interface Healed {
  /** When the broker accepted AMQP again, or the network worked again. */
  readonly at: number;
  /** What is left to do when messages flow again. */
  readonly after?: () => Promise<void>;
}

/** A kind of fault. */
export interface Fault {
  readonly name: string;
  /** Whose messages it holds up. */
  readonly hits: "publisher" | "worker" | "both";
  /**
   * `link`: every connection it hits is lost, so that only a new one counts as recovered; `pause`: connections may
   * outlive it; `silence`: nothing tells the client that its connection is dead, but for missing heartbeats; `program`:
   * a program ends, so that its start is part of the time.
   */
  readonly kind: "link" | "pause" | "silence" | "program";
  /** Brings it about, heals it, and says when. */
  run(scene: Scene): Promise<Healed>;
}

/** How long a program may take to end in good order. */
const END_MS = 30_000;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

function proxiesOf(scene: Scene, hits: Fault["hits"]): Proxy[] {
  return scene.slots.filter(({ role }) => hits === "both" || role === hits)
    .flatMap(({ proxies }) => proxies);
}

function cut(name: string, hits: Fault["hits"], how: "fin" | "rst"): Fault {
  return {
    name,
    hits,
    kind: "link",
    run: (scene) => {
      const at = Date.now();
      for (const proxy of proxiesOf(scene, hits)) proxy.cut(how);
      return Promise.resolve({ at });
    },
  };
}

function weather(
  name: string,
  hits: Fault["hits"],
  choose: (random: Random) => Weather & { readonly ms: number },
): Fault {
  return {
    name,
    hits,
    kind: "pause",
    run: async (scene) => {
      const { ms, ...bad } = choose(scene.random);
      const proxies = proxiesOf(scene, hits);
      for (const proxy of proxies) proxy.set(bad);
      await pause(ms);
      for (const proxy of proxies) proxy.set({});
      return { at: Date.now() };
    },
  };
}

/** A node of the scene, at random. */
function anyNode({ brokers, random }: Scene): Node {
  return brokers.nodes[random.between(0, brokers.nodes.length - 1)];
}

/** When the brokers serve again: with one node, as soon as it lets clients in. */
function serves({ brokers }: Scene, node: Node): Promise<number> {
  return brokers.nodes.length === 1 ? brokers.accepts(node) : brokers.confirms(node);
}

/** Asks the last program of a role to end, and starts its successor. */
function restart(name: string, role: "publisher" | "worker"): Fault {
  return {
    name,
    hits: role,
    kind: "program",
    run: async ({ slots }) => {
      const slot = slots.findLast((one) => one.role === role)!;
      await slot.end(END_MS);
      const at = Date.now();
      slot.start();
      return { at };
    },
  };
}

/** Kills one node of a cluster; it comes back when messages flow again by way of the others. */
function killOfCluster(name: string, choose: (scene: Scene) => Promise<Node>): Fault {
  return {
    name,
    hits: "both",
    kind: "pause",
    run: async (scene) => {
      const victim = await choose(scene);
      await victim.kill();
      const [other] = scene.brokers.nodes.filter((node) => node !== victim);
      const at = await scene.brokers.confirms(other);
      return {
        at,
        after: async () => {
          await victim.start();
          await scene.brokers.complete();
        },
      };
    },
  };
}

const EVERYWHERE: readonly Fault[] = [
  cut("cut all (FIN)", "both", "fin"),
  cut("cut all (RST)", "both", "rst"),
  cut("cut publishers", "publisher", "rst"),
  cut("cut workers", "worker", "fin"),
  weather("freeze all", "both", (random) => ({ frozen: true, ms: random.between(1_000, 8_000) })),
  weather("stall publishers", "publisher", (random) => ({
    stalled: true,
    ms: random.between(1_000, 6_000),
  })),
  weather("stall workers", "worker", (random) => ({
    stalled: true,
    ms: random.between(1_000, 6_000),
  })),
  weather("delay", "both", (random) => ({
    latencyMs: random.between(50, 300),
    ms: random.between(1_000, 4_000),
  })),
  weather("fragment", "both", (random) => ({
    fragmentBytes: random.between(1, 500),
    ms: random.between(500, 1_500),
  })),
  {
    name: "blackhole",
    hits: "both",
    kind: "silence",
    run: (scene) => {
      const at = Date.now();
      for (const proxy of proxiesOf(scene, "both")) proxy.blackhole();
      return Promise.resolve({ at });
    },
  },
  {
    // Hits every step of setting up connections, channels and consumers.
    name: "flapping",
    hits: "both",
    kind: "link",
    run: async (scene) => {
      const proxies = proxiesOf(scene, "both");
      for (let times = scene.random.between(10, 30); times > 0; times--) {
        for (const proxy of proxies) proxy.cut(scene.random.chance(0.5) ? "fin" : "rst");
        await pause(scene.random.between(1, 300));
      }
      const at = Date.now();
      for (const proxy of proxies) proxy.cut("rst");
      return { at };
    },
  },
  {
    name: "port closed",
    hits: "both",
    kind: "link",
    run: async (scene) => {
      const proxies = proxiesOf(scene, "both");
      for (const proxy of proxies) {
        proxy.refuse();
        proxy.cut("fin");
      }
      await pause(scene.random.between(500, 5_000));
      for (const proxy of proxies) proxy.accept();
      return { at: Date.now() };
    },
  },
  {
    name: "close_all_connections",
    hits: "both",
    kind: "link",
    run: async (scene) => {
      for (const node of scene.brokers.nodes) {
        await node.ctl("close_all_connections", "closed by the soak");
      }
      return { at: Date.now() };
    },
  },
  {
    name: "memory alarm",
    hits: "publisher",
    kind: "pause",
    run: async (scene) => {
      const node = anyNode(scene);
      const alarm = "{resource_limit, memory, node()}";
      await node.evaluate(`rabbit_alarm:set_alarm({${alarm}, []})`);
      await pause(scene.random.between(1_000, 5_000));
      await node.evaluate(`rabbit_alarm:clear_alarm(${alarm})`);
      return { at: Date.now() };
    },
  },
  {
    name: "programs frozen (SIGSTOP)",
    hits: "both",
    kind: "pause",
    run: async ({ slots, random }) => {
      const frozen = slots.filter(({ name }) => name.endsWith("-1"));
      for (const slot of frozen) slot.signal("SIGSTOP");
      await pause(random.between(1_000, 8_000));
      for (const slot of frozen) slot.signal("SIGCONT");
      return { at: Date.now() };
    },
  },
  {
    name: "worker killed",
    hits: "worker",
    kind: "program",
    run: async ({ slots }) => {
      const slot = slots.findLast(({ role }) => role === "worker")!;
      await slot.kill();
      const at = Date.now();
      slot.start();
      return { at };
    },
  },
  restart("publisher restarted (SIGTERM)", "publisher"),
  restart("worker restarted (SIGTERM)", "worker"),
  {
    name: "restarted while cut off (SIGTERM)",
    hits: "both",
    kind: "program",
    run: async (scene) => {
      const proxies = proxiesOf(scene, "both");
      for (const proxy of proxies) {
        proxy.refuse();
        proxy.cut("rst");
      }
      const ending = scene.slots.filter(({ name }) => name.endsWith("-1"));
      const ended = Promise.all(ending.map((slot) => slot.end(END_MS)));
      await pause(scene.random.between(500, 4_000));
      for (const proxy of proxies) proxy.accept();
      await ended;
      const at = Date.now();
      for (const slot of ending) slot.start();
      return { at };
    },
  },
  {
    name: "broker frozen (SIGSTOP)",
    hits: "both",
    kind: "pause",
    run: async (scene) => {
      const node = anyNode(scene);
      node.pause();
      await pause(scene.random.between(1_000, 8_000));
      node.resume();
      return { at: await serves(scene, node) };
    },
  },
];

const OF_ONE_NODE: readonly Fault[] = [
  {
    name: "broker killed (SIGKILL)",
    hits: "both",
    kind: "link",
    run: async (scene) => {
      const node = anyNode(scene);
      await node.kill();
      await node.start();
      return { at: await scene.brokers.accepts(node) };
    },
  },
  {
    name: "stop_app, start_app",
    hits: "both",
    kind: "link",
    run: async (scene) => {
      const node = anyNode(scene);
      await node.ctl("stop_app");
      // It lets clients in before start_app says that it is done.
      const started = node.ctl("start_app");
      const at = await scene.brokers.accepts(node);
      await started;
      return { at };
    },
  },
];

const OF_A_CLUSTER: readonly Fault[] = [
  killOfCluster(
    "leader killed (SIGKILL)",
    ({ brokers, random }) =>
      brokers.leaderOf(brokers.queues[random.between(0, brokers.queues.length - 1)]),
  ),
  killOfCluster("connected node killed (SIGKILL)", (scene) => {
    const open = scene.brokers.nodes.map((node) => ({
      node,
      count: scene.slots.flatMap(({ proxies }) => proxies)
        .filter(({ target }) => target === node.port)
        .reduce((sum, proxy) => sum + proxy.open, 0),
    }));
    open.sort((a, b) => b.count - a.count);
    return Promise.resolve(open[0].node);
  }),
  {
    name: "stop_app, start_app of one node",
    hits: "both",
    kind: "pause",
    run: async (scene) => {
      const node = anyNode(scene);
      await node.ctl("stop_app");
      const [other] = scene.brokers.nodes.filter((one) => one !== node);
      const at = await scene.brokers.confirms(other);
      return {
        at,
        after: async () => {
          await node.ctl("start_app");
          await scene.brokers.complete();
        },
      };
    },
  },
];

/** The faults that this kind of broker can suffer. */
export function faultsFor(kind: "single" | "cluster"): readonly Fault[] {
  return [...EVERYWHERE, ...(kind === "single" ? OF_ONE_NODE : OF_A_CLUSTER)];
}

/** An endless series: every fault once, in an order that the seed chooses, and so on. */
export function* series(faults: readonly Fault[], random: Random): Generator<Fault, never> {
  for (;;) yield* random.shuffled(faults);
}
