/** Users of the broker that a test makes and removes; for a broker of our own only. */

import { broker, evaluate } from "./broker.ts";

let lastUser = 0;

/** What a user may do, as regular expressions on names, in the test's virtual host. */
export interface Permissions {
  readonly configure?: string;
  readonly write?: string;
  readonly read?: string;
}

/** A user that exists. */
export interface BrokerUser extends AsyncDisposable {
  readonly username: string;
  readonly password: string;
  /** Logs in as this user. */
  readonly url: string;
  /** Options of a `Connection` that logs in as this user. */
  readonly login: {
    readonly hostname: string;
    readonly port: number;
    readonly username: string;
    readonly password: string;
    readonly vhost: string;
  };
  permit(permissions: Permissions): Promise<void>;
  /** Takes all permissions away: the user may not even enter the virtual host. */
  forbidAll(): Promise<void>;
  /** How many connections it has open at the broker. */
  countConnections(): Promise<number>;
}

/** Makes a user who may do all, but for what `permissions` say; disposing of it deletes it. */
export async function brokerUser(permissions: Permissions = {}): Promise<BrokerUser> {
  const username = `user.${Deno.pid}.${++lastUser}`;
  const password = `secret-${crypto.randomUUID()}`;
  const { hostname, port, vhost } = broker;
  await evaluate(
    `rabbit_auth_backend_internal:add_user(<<"${username}">>, <<"${password}">>, <<"test">>).`,
  );
  const permit = async ({ configure = ".*", write = ".*", read = ".*" }: Permissions) => {
    const patterns = [configure, write, read].map((pattern) => `<<"${pattern}">>`).join(", ");
    await evaluate(
      `rabbit_auth_backend_internal:set_permissions(<<"${username}">>, <<"${vhost}">>, ` +
        `${patterns}, <<"test">>).`,
    );
  };
  await permit(permissions);
  return {
    username,
    password,
    url: `amqp://${username}:${password}@${hostname}:${port}/${encodeURIComponent(vhost)}`,
    login: { hostname, port, username, password, vhost },
    permit,
    async forbidAll() {
      await evaluate(
        `rabbit_auth_backend_internal:clear_permissions(<<"${username}">>, <<"${vhost}">>, <<"test">>).`,
      );
    },
    async countConnections() {
      return Number(
        await evaluate(
          `length([1 || [{user, <<"${username}">>}] <- rabbit_networking:connection_info_all([user])]).`,
        ),
      );
    },
    async [Symbol.asyncDispose]() {
      await evaluate(`rabbit_auth_backend_internal:delete_user(<<"${username}">>, <<"test">>).`);
    },
  };
}
