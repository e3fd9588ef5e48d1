/** MariaDB as the MySQL server of the tests: Debian's, from a private prefix, or the one that is installed. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { giveTo, serverAccount } from './account.js';
import { type Daemon, startDaemon } from './daemon.js';
import { freePort } from './port.js';
import { debianPrefix, libraryFolders } from './prefix.js';
import { runCommand } from './run-command.js';
import { type Server, type ServerSettings, soleProcess } from './server.js';

export interface MariaDb extends Server {
  /** An account with every right; `mysql://`, with the database `shop`. */
  readonly url: string;
}

/** Where the programs are, and what they need to find their parts. */
interface Programs {
  server: string;
  installer: string;
  env: NodeJS.ProcessEnv;
  base: readonly string[];
}

export interface MariaDbSettings extends ServerSettings {
  /** More options for the server, such as `--log-bin`. */
  options?: readonly string[];
}

/** Makes a data folder and starts a server on it; about a second. */
export async function startMariaDb(settings: MariaDbSettings): Promise<MariaDb> {
  const { folder } = settings;
  const account = serverAccount();
  const programs = await findPrograms(settings.say);
  const data = join(folder, 'data');
  for (const each of [folder, data]) {
    mkdirSync(each, { recursive: true });
    giveTo(each, account);
  }
  const install = ['--no-defaults', ...programs.base, `--datadir=${data}`, '--auth-root-authentication-method=normal'];
  await runCommand(programs.installer, [...install, '--skip-test-db', '--skip-name-resolve'], {
    cwd: folder,
    env: programs.env,
    account,
  });
  const port = await freePort();
  const start = (): Promise<Daemon> =>
    startDaemon({
      name: 'MariaDB',
      command: [
        programs.server,
        '--no-defaults',
        ...programs.base,
        ...serverOptions(folder, port),
        ...(settings.options ?? []),
      ],
      env: programs.env,
      cwd: folder,
      log: join(folder, 'mariadb.log'),
      ready: (logged) => logged.includes('ready for connections'),
      account,
      outlives: settings.outlives ?? false,
    });
  const running = await soleProcess(start);
  const version = await createAccount(port);
  return {
    label: `MariaDB ${version}`,
    port,
    url: `mysql://tablepipe:tablepipe@127.0.0.1:${port}/shop`,
    ...running,
  };
}

/**
 * `innodb-flush-log-at-trx-commit=2` writes at every commit and leaves syncing to the kernel: nothing is lost
 * to SIGKILL, which is what the tests do; 0 would lose the last second.
 */
function serverOptions(folder: string, port: number): string[] {
  return [
    `--datadir=${join(folder, 'data')}`,
    `--port=${port}`,
    '--bind-address=127.0.0.1',
    `--socket=${join(folder, 'socket')}`,
    `--pid-file=${join(folder, 'pid')}`,
    '--skip-name-resolve',
    '--character-set-server=utf8mb4',
    '--local-infile=1',
    '--max-connections=300',
    '--max-allowed-packet=256M',
    '--innodb-flush-log-at-trx-commit=2',
    '--innodb-log-file-size=128M',
    '--innodb-buffer-pool-size=512M',
  ];
}

async function createAccount(port: number): Promise<string> {
  const root = await createConnection({ host: '127.0.0.1', port, user: 'root' });
  try {
    await root.query("CREATE USER tablepipe@'%' IDENTIFIED BY 'tablepipe'");
    await root.query("GRANT ALL ON *.* TO tablepipe@'%' WITH GRANT OPTION");
    await root.query('CREATE DATABASE shop');
    const [rows] = await root.query('SELECT version() AS version');
    return (rows as { version: string }[])[0]?.version.replace(/-MariaDB.*/, '') ?? '';
  } finally {
    await root.end();
  }
}

async function findPrograms(say: (line: string) => void): Promise<Programs> {
  const env = { PATH: `${process.env.PATH}:/usr/sbin:/usr/local/sbin`, LC_ALL: 'C' };
  const installed = (name: string): string | undefined =>
    env.PATH.split(':')
      .map((folder) => join(folder, name))
      .find((path) => existsSync(path));
  const [server, installer] = [installed('mariadbd'), installed('mariadb-install-db')];
  if (server && installer) return { server, installer, env, base: [] };
  const packages = ['mariadb-server-core', 'mariadb-client-core'];
  const root = await debianPrefix({ name: 'mariadb', suite: 'host', packages, say });
  const usr = join(root, 'usr');
  return {
    server: join(usr, 'sbin/mariadbd'),
    installer: join(usr, 'bin/mariadb-install-db'),
    env: { ...env, PATH: `${usr}/bin:${usr}/sbin:${env.PATH}`, LD_LIBRARY_PATH: libraryFolders(root).join(':') },
    base: [`--basedir=${usr}`],
  };
}

/** The command-line client that came with the server. */
export async function mariadbClientProgram(): Promise<{ program: string; env: NodeJS.ProcessEnv }> {
  const env = { PATH: `${process.env.PATH}:/usr/local/bin`, LC_ALL: 'C' };
  const installed = env.PATH.split(':')
    .map((folder) => join(folder, 'mariadb'))
    .find((path) => existsSync(path));
  if (installed) return { program: installed, env };
  const packages = ['mariadb-server-core', 'mariadb-client-core'];
  const root = await debianPrefix({ name: 'mariadb', suite: 'host', packages, say: () => {} });
  return { program: join(root, 'usr/bin/mariadb'), env: { ...env, LD_LIBRARY_PATH: libraryFolders(root).join(':') } };
}
