/** Free TCP ports on the loopback address, outside the range from which the kernel takes source ports. */
import { randomInt } from 'node:crypto';
import { connect, createServer } from 'node:net';

/**
 * A port between 20000 and 32000 that nobody listens on, with `count` - 1 more above it. Below the ephemeral
 * range (32768 up) a client that polls cannot be given the server's own port and connect to itself.
 */
export async function freePort(count = 1): Promise<number> {
  for (let tries = 0; tries < 100; tries += 1) {
    const first = randomInt(20_000, 32_000 - count);
    const all = await Promise.all(Array.from({ length: count }, (_, step) => isFree(first + step)));
    if (all.every(Boolean)) return first;
  }
  throw new Error(`no ${count} free ports in a row between 20000 and 32000 after 100 tries`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** Whether something accepts connections on a loopback port. */
export function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const settle = (yes: boolean): void => {
      socket.destroy();
      resolve(yes);
    };
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
  });
}
