/**
 * amqplib hands a connection over when it has dealt with all that came in one packet with open-ok.
 * What it finds there, such as a close with an error, it tells before anybody can listen, and an
 * error that nobody listens to is thrown, out of a handler of the socket, where nothing but the end
 * of the program can catch it. So the socket keeps back what follows open-ok until somebody listens.
 */

import net from "node:net";
import type { Duplex, Readable } from "node:stream";
import tls from "node:tls";
import { ConnectionError } from "../errors.ts";
import { asSocket, tellOfClose } from "./dial.ts";
import { type OpenRefusal, readRefusal } from "./open_refusal.ts";

/** What is being opened. */
export interface Held<T> {
  readonly result: T;
  /** What the broker closed the connection with before it was open. amqplib says that it did, and no more. */
  refusal(): OpenRefusal | undefined;
  /** What it is opened on, where that was asked for as expected. */
  readonly socket: Readable | undefined;
  /**
   * Lets what was kept back through, as somebody listens now. Not to be called where the connection
   * could not be opened: amqplib would go on with what is left in the socket, and an open-ok there
   * would begin heartbeats that nobody ends.
   */
  release(): void;
}

/** What a socket is read by. */
interface Socket {
  read(size?: number): Uint8Array | null;
  emit(event: string, ...args: unknown[]): boolean;
}

type Connect = (...args: never[]) => Socket;

/**
 * Calls amqplib, which asks `node:net` or `node:tls` for its socket before it returns, and makes
 * that socket keep back what follows open-ok. Where it does not ask there, nothing is kept back.
 *
 * @param connect Calls amqplib.
 * @param dialled What it is given in place of a socket of `node:net`, or speaks TLS over.
 */
export function holdAfterOpenOk<T>(connect: () => T, dialled?: Duplex): Held<T> {
  let release: (() => void) | undefined;
  let socket: Socket | undefined;
  let refusal: OpenRefusal | undefined;
  const modules = [net, tls] as unknown as { connect: Connect }[];
  const originals = modules.map((module) => module.connect);
  const set = (connects: readonly Connect[]) => {
    // It does nothing, and does not throw, where a module cannot be changed.
    modules.forEach((module, index) => Reflect.set(module, "connect", connects[index]));
  };
  const restore = () => set(originals);
  set(originals.map((original, index) => (...args) => {
    restore(); // Whatever this calls is not ours.
    socket = dialled === undefined
      ? original(...args)
      : over(dialled, modules[index] === tls as unknown ? original : undefined, args);
    release = hold(socket, (refused) => refusal = refused);
    return socket;
  }));
  try {
    const result = connect();
    if (dialled !== undefined && socket === undefined) {
      throw new ConnectionError(
        `Cannot use the option "dial": amqplib does not let its socket be replaced here`,
        { code: "DIAL" },
      );
    }
    return {
      result,
      refusal: () => refusal,
      socket: socket as Readable | undefined,
      release: () => release?.(),
    };
  } finally {
    restore();
  }
}

/** The stream that was dialled, or TLS over it. */
function over(dialled: Duplex, connectTls: Connect | undefined, args: unknown[]): Socket {
  const [options, connected] = args as [object, () => void];
  if (connectTls === undefined) return asSocket(dialled, connected) as Socket;
  const encrypted = connectTls({ ...options, socket: dialled } as never, connected as never);
  tellOfClose(dialled, encrypted as unknown as Duplex);
  return encrypted;
}

/** Type, channel and size of a frame. */
const HEAD_BYTES = 7;
const CONNECTION_OPEN_OK = 10 << 16 | 41;

/** Returns what lets the socket go. */
function hold(socket: Socket, refused: (refusal: OpenRefusal) => void): () => void {
  const { read, emit } = socket;
  let head: DataView | undefined;
  let held = false;
  const events: [event: string, ...args: unknown[]][] = [];

  // One part of one frame at a time, so that nothing that follows is read together with open-ok.
  socket.read = (asked) => {
    if (asked !== undefined) return read.call(socket, asked); // Its own, which takes nothing.
    if (held) return null;
    const size = head === undefined ? HEAD_BYTES : head.getUint32(3) + 1;
    const bytes = read.call(socket, size);
    if (bytes === null || bytes.length < size) return bytes; // It is not there yet, or never will be.
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (head === undefined) {
      head = view;
    } else {
      const refusal = head.getUint8(0) === 1 ? readRefusal(view) : undefined;
      if (refusal !== undefined) refused(refusal);
      held = head.getUint8(0) === 1 && size > 4 && view.getUint32(0) === CONNECTION_OPEN_OK;
      head = undefined;
    }
    return bytes;
  };
  // The end of the socket may be told in that moment as well.
  socket.emit = (...event) => {
    if (!held) return emit.apply(socket, event);
    events.push(event);
    return true;
  };

  return () => {
    held = false;
    Object.assign(socket, { read, emit });
    for (const event of events.splice(0)) socket.emit(...event);
    socket.emit("readable");
  };
}
