/**
 * Asks whether an AMQP 0-9-1 broker listens at an address, and whether it lets us in. An open port is not enough: a
 * proxy opens its port long before the broker behind it is up.
 */

/** What a broker tells about itself in its first frame. */
export interface Greeting {
  readonly product: string;
  readonly version: string;
  /** By default the name of its first node, but for the host. */
  readonly clusterName: string;
}

export interface Address {
  readonly hostname: string;
  readonly port: number;
}

export interface Login {
  readonly username: string;
  readonly password: string;
  readonly vhost: string;
}

const PROTOCOL_HEADER = new Uint8Array([0x41, 0x4d, 0x51, 0x50, 0, 0, 9, 1]);
const METHOD_FRAME = 1;
const FRAME_END = 0xce;
const TUNE = "10.30";
const OPEN_OK = "10.41";
const CLOSE_OK = "10.51";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function shortText(text: string): number[] {
  const bytes = encoder.encode(text);
  return [bytes.length, ...bytes];
}

function uint32(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

function longText(text: string): number[] {
  const bytes = encoder.encode(text);
  return [...uint32(bytes.length), ...bytes];
}

function methodFrame(classId: number, methodId: number, fields: number[]): Uint8Array<ArrayBuffer> {
  const payload = [0, classId, 0, methodId, ...fields];
  return new Uint8Array([METHOD_FRAME, 0, 0, ...uint32(payload.length), ...payload, FRAME_END]);
}

async function write(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
}

async function readExactly(connection: Deno.Conn, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let filled = 0; filled < length;) {
    const count = await connection.read(bytes.subarray(filled));
    if (count === null) throw new Error("the connection was closed");
    filled += count;
  }
  return bytes;
}

async function readMethod(connection: Deno.Conn): Promise<{ id: string; payload: Uint8Array }> {
  const header = await readExactly(connection, 7);
  if (header[0] !== METHOD_FRAME) throw new Error("this is not AMQP 0-9-1");
  const length = new DataView(header.buffer).getUint32(3);
  const payload = (await readExactly(connection, length + 1)).subarray(0, length);
  const view = new DataView(payload.buffer);
  return { id: `${view.getUint16(0)}.${view.getUint16(2)}`, payload };
}

/** The text stored under a key of a server's properties. */
function property(payload: Uint8Array, key: string): string {
  const marker = String.fromCharCode(key.length) + key + "S";
  const start = Array.from(payload, (byte) => String.fromCharCode(byte)).join("").indexOf(marker);
  if (start === -1) return "";
  const at = start + marker.length;
  const length = new DataView(payload.buffer, payload.byteOffset).getUint32(at);
  return decoder.decode(payload.subarray(at + 4, at + 4 + length));
}

async function logIn(connection: Deno.Conn, login: Login): Promise<void> {
  const noProperties = uint32(0);
  await write(
    connection,
    methodFrame(10, 11, [
      ...noProperties,
      ...shortText("PLAIN"),
      ...longText(`\0${login.username}\0${login.password}`),
      ...shortText("en_US"),
    ]),
  );
  const tune = await readMethod(connection);
  if (tune.id !== TUNE) throw new Error("the login was refused");
  // Its own limits: RabbitMQ 4 turns down frames smaller than it likes.
  await write(connection, methodFrame(10, 31, [...tune.payload.subarray(4, 10), 0, 0]));
  await write(connection, methodFrame(10, 40, [...shortText(login.vhost), 0, 0]));
  if ((await readMethod(connection)).id !== OPEN_OK) throw new Error("the vhost was refused");
  await write(connection, methodFrame(10, 50, [0, 200, ...shortText(""), 0, 0, 0, 0]));
  if ((await readMethod(connection)).id !== CLOSE_OK) throw new Error("the close was refused");
}

/**
 * The greeting of the broker at an address, after a login if one is given.
 *
 * @throws {Error} When nothing answers in time, or not as a broker does, or the login is refused.
 */
export async function greet(
  address: Address,
  options: { readonly login?: Login; readonly timeoutMs?: number } = {},
): Promise<Greeting> {
  const { login, timeoutMs = 2_000 } = options;
  let connection: Deno.Conn | undefined;
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    connection?.close();
  }, timeoutMs);
  try {
    connection = await Deno.connect({ ...address, signal: AbortSignal.timeout(timeoutMs) });
    await write(connection, PROTOCOL_HEADER);
    const { payload } = await readMethod(connection);
    if (login) await logIn(connection, login);
    return {
      product: property(payload, "product"),
      version: property(payload, "version"),
      clusterName: property(payload, "cluster_name"),
    };
  } catch (error) {
    if (timedOut) throw new Error(`nothing answered within ${timeoutMs} ms`, { cause: error });
    throw error;
  } finally {
    clearTimeout(timer);
    if (!timedOut) connection?.close();
  }
}

/** Like {@linkcode greet}, but tells that there is no such broker with `undefined`. */
export async function greetIfThere(
  address: Address,
  options: { readonly login?: Login; readonly timeoutMs?: number } = {},
): Promise<Greeting | undefined> {
  try {
    return await greet(address, options);
  } catch {
    return undefined;
  }
}
