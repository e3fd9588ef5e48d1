/** A TCP relay in front of a server that can cut, stall or refuse connections when a test says so. */
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { once } from 'node:events';

export interface Relay {
  port: number;
  /** Connections made so far. */
  accepted: number;
  /** Cut each of the next connections after so many bytes from the server; empty = no more. */
  cuts: number[];
  /** Passes nothing on any more, and says nothing. */
  stall(): void;
  /** Cuts everything and refuses what comes. */
  down(): void;
  up(): void;
  close(): Promise<void>;
}

/** Starts a relay on a free port of this machine. */
export async function startRelay(host: string, port: number): Promise<Relay> {
  const open = new Set<Socket>();
  let refusing = false;
  const server = createServer((client) => {
    if (refusing) return void client.destroy();
    relay.accepted += 1;
    const limit = relay.cuts.shift() ?? Number.POSITIVE_INFINITY;
    let bytes = 0;
    const upstream = connect(port, host);
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.setNoDelay(true).on('error', () => {});
      socket.on('close', () => {
        open.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.pipe(upstream);
    upstream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > limit) return void client.destroy();
      if (!client.write(chunk)) upstream.pause();
    });
    client.on('drain', () => upstream.resume());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const relay: Relay = {
    port: (server.address() as AddressInfo).port,
    accepted: 0,
    cuts: [],
    stall: () => open.forEach((socket) => socket.pause().unpipe()),
    down() {
      refusing = true;
      for (const socket of open) socket.destroy();
    },
    up: () => void (refusing = false),
    async close() {
      relay.down();
      server.close();
      await once(server, 'close');
    },
  };
  return relay;
}
