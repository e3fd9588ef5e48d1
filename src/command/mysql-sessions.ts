/** Lends connections to a reader that may have to get a new one, and ends on the server what it leaves behind. */
import type { Words } from '../cli/stderr.js';
import type { MysqlSession } from '../mysql-session.js';
import type { Sessions } from '../source/page-reader.js';
import type { MysqlServer } from './mysql-source.js';

/** How long ending a query on the server may take; main() allows five seconds for everything. */
const KILL_MS = 2_000;

/**
 * @param tag a comment in front of every statement of this run, by which a statement is recognised before it is killed:
 *   the server may have given the connection's number to somebody else
 */
export function sessions(
  server: MysqlServer,
  tag: string,
  patienceMs: number,
  words: Words,
): Sessions & { settled(): Promise<void> } {
  const killing = new Set<Promise<void>>();
  let told = false;
  return {
    patienceMs,
    open: (signal) => server.open(signal),
    kill(session) {
      const kill = killTagged(server, session, tag).catch((error: unknown) =>
        words.debug(`connection ${session.id} was left to end on its own (${String(error)})`),
      );
      killing.add(kill);
      return kill;
    },
    onLost(error, pauseMs) {
      const text = `lost the connection to ${server.place} (${(error as Error).message})`;
      if (told || pauseMs > 0) words.detail(`${text}; trying again`);
      else words.note(`${text}; going on after the last row, trying for up to ${Math.ceil(patienceMs / 1000)} s`);
      told = true;
    },
    async settled() {
      await Promise.all(killing);
    },
  };
}

async function killTagged(server: MysqlServer, { id }: MysqlSession, tag: string): Promise<void> {
  const killer = await server.open(AbortSignal.timeout(KILL_MS));
  const late = setTimeout(() => killer.cut(), KILL_MS);
  try {
    const found = await killer.ask(
      'SELECT id AS id FROM information_schema.processlist WHERE id = ? AND LEFT(info, ?) = ?',
      [id, tag.length, tag],
    );
    if (found.length > 0) await killer.ask('KILL ?', [id]);
  } finally {
    clearTimeout(late);
    killer.cut();
  }
}
