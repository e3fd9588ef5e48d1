/**
 * A TCP socket that reads into one buffer again and again. Node's own sockets make a new buffer of 64 KiB for every
 * read, which at hundreds of megabytes a second is most of a reader's garbage.
 */
import { type Socket, connect } from 'node:net';

/** What one read can bring; a few times the 64 KiB of an ordinary socket, and still inside a processor's cache. */
const BUFFER_BYTES = 256 * 1024;

export interface LendingSocket extends Socket {
  /**
   * While true, the bytes of a 'data' event are only lent: the next read overwrites them. While false they are a copy,
   * as everybody expects who does not know this socket.
   */
  lends: boolean;
}

/** Connects. Everything else is as with `net.connect`, also an upgrade to TLS, which then does the reading. */
export function lendingSocket(port: number, host: string): LendingSocket {
  const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  const onread = {
    buffer,
    callback: (bytes: number): boolean => {
      const chunk = buffer.subarray(0, bytes);
      socket.emit('data', socket.lends ? chunk : Buffer.from(chunk));
      return true;
    },
  };
  const socket: LendingSocket = Object.assign(connect({ port, host, onread, noDelay: true, keepAlive: true }), {
    lends: false,
  });
  return socket;
}
