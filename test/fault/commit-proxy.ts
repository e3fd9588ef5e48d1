/** A TCP proxy before a warehouse that cuts the connection at the nth COMMIT: before the server sees it, or before its answer. */
import { once } from 'node:events';
import { type Socket, connect, createServer } from 'node:net';
import { servers } from '../support/servers.js';

export interface CommitProxy {
  /** The warehouse URL with the proxy's address in it. */
  url: string;
  /** Commits that were cut. */
  cuts(): number;
  close(): void;
}

/** A simple query that holds nothing but COMMIT: type, length, text, end (PostgreSQL manual, "Message Formats"). */
const COMMIT = Buffer.from('Q\0\0\0\u000bCOMMIT\0', 'latin1');

/** `before`: the server never sees it. `after`: the server commits, and nobody is told. */
export async function commitProxy(
  cut: 'before' | 'after',
  nth: number,
  warehouse = servers().warehouseUrl,
): Promise<CommitProxy> {
  const target = new URL(warehouse);
  let commits = 0;
  let cuts = 0;
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    let mute = false;
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        open.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (chunk: Buffer) => {
      if (chunk.equals(COMMIT)) {
        commits += 1;
        if (commits === nth) {
          cuts += 1;
          if (cut === 'before') return client.destroy();
          mute = true;
        }
      }
      upstream.write(chunk);
    });
    upstream.on('data', (chunk: Buffer) => {
      // The answer came, so the server has committed.
      if (mute) client.destroy();
      else client.write(chunk);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as { port: number }).port);
  return {
    url: url.href,
    cuts: () => cuts,
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}
