/**
 * The other members of the family, for the long tests: MySQL itself, which Debian has in sid only, and a MariaDB newer
 * than the machine's, which has VECTOR. Each is downloaded once (60 MB and 20 MB) into the cache.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { giveTo, serverAccount } from './account.js';
import { type Daemon, startDaemon } from './daemon.js';
import type { MariaDb } from './mariadb.js';
import { throughOwnLoader } from './own-loader.js';
import { freePort } from './port.js';
import { debianPrefix } from './prefix.js';
import { runCommand } from './run-command.js';
import { type ServerSettings, soleProcess } from './server.js';

/** The account of the tests; `caching_sha2_password` on MySQL, which has no other since version 9. */
const ACCOUNT = [
  "CREATE USER tablepipe@'%' IDENTIFIED BY 'tablepipe'",
  "GRANT ALL ON *.* TO tablepipe@'%' WITH GRANT OPTION",
  'CREATE DATABASE shop',
];

const COMMON = ['--bind-address=127.0.0.1', '--skip-name-resolve', '--character-set-server=utf8mb4'];

/** MySQL 9 of Debian sid: about five seconds to make its data, 300 MB of memory. */
export async function startMySql(settings: ServerSettings): Promise<MariaDb> {
  const root = await debianPrefix({
    name: 'mysql',
    suite: 'sid',
    packages: ['mysql-server-core'],
    say: settings.say,
  });
  const program = throughOwnLoader(root, 'usr/sbin/mysqld', ['usr/lib/mysql/private']);
  const { folder } = settings;
  const init = join(folder, 'init.sql');
  const paths = ['--no-defaults', `--basedir=${root}/usr`, `--datadir=${join(folder, 'data')}`];
  const more = [`--lc-messages-dir=${root}/usr/share/mysql`, '--secure-file-priv=NULL', '--mysqlx=OFF'];
  return started(settings, {
    name: 'MySQL',
    prepare: async (run) => {
      writeFileSync(init, ACCOUNT.map((statement) => `${statement};\n`).join(''));
      await run([...program, ...paths, ...more, '--initialize-insecure', `--init-file=${init}`]);
    },
    command: [...program, ...paths, ...more, ...COMMON, '--disable-log-bin'],
  });
}

/** MariaDB 11.8 of Debian trixie. */
export async function startNewerMariaDb(settings: ServerSettings): Promise<MariaDb> {
  const packages = ['mariadb-server-core', 'mariadb-client-core'];
  const root = await debianPrefix({ name: 'mariadb', suite: 'trixie', packages, say: settings.say });
  const program = throughOwnLoader(root, 'usr/sbin/mariadbd');
  const { folder } = settings;
  const share = join(root, 'usr/share/mariadb');
  const paths = ['--no-defaults', `--basedir=${root}/usr`, `--datadir=${join(folder, 'data')}`];
  const more = [`--lc-messages-dir=${share}`, `--character-sets-dir=${share}/charsets`];
  const init = join(folder, 'init.sql');
  return started(settings, {
    name: 'MariaDB',
    // Its installer is a script that starts the server without our loader; this is what the script feeds it.
    prepare: async (run) => {
      writeFileSync(init, [...ACCOUNT, ''].join(';\n'));
      const tables = ['mariadb_system_tables.sql', 'mariadb_performance_tables.sql', 'mariadb_system_tables_data.sql'];
      const feed = `{ printf '%s;\\n' 'CREATE DATABASE mysql' 'USE mysql' 'SET @auth_root_socket=NULL'; cat ${tables.map((name) => `'${share}/${name}'`).join(' ')}; } | "$@"`;
      await run(['bash', '-c', feed, 'feed', ...program, ...paths, ...more, '--bootstrap', '--log-warnings=0']);
    },
    command: [...program, ...paths, ...more, ...COMMON, `--init-file=${init}`],
  });
}

interface Start {
  name: string;
  prepare: (run: (words: readonly string[]) => Promise<string>) => Promise<void>;
  command: readonly string[];
}

async function started(settings: ServerSettings, { name, prepare, command }: Start): Promise<MariaDb> {
  const { folder } = settings;
  const account = serverAccount();
  for (const each of [folder, join(folder, 'data')]) {
    mkdirSync(each, { recursive: true });
    giveTo(each, account);
  }
  await prepare(([file = '', ...args]) => runCommand(file, args, { cwd: folder, account, timeoutMs: 300_000 }));
  const port = await freePort();
  const places = [`--port=${port}`, `--socket=${join(folder, 'socket')}`, `--pid-file=${join(folder, 'pid')}`];
  const start = (): Promise<Daemon> =>
    startDaemon({
      name,
      command: [...command, ...places],
      cwd: folder,
      log: join(folder, `${name.toLowerCase()}.log`),
      ready: (logged) => /ready for connections[^]*port: *[0-9]/.test(logged),
      account,
      outlives: settings.outlives ?? false,
    });
  const running = await soleProcess(start);
  const url = `mysql://tablepipe:tablepipe@127.0.0.1:${port}/shop`;
  const connection = await createConnection(url);
  const [rows] = await connection.query('SELECT version() AS version');
  await connection.end();
  const version = (rows as { version: string }[])[0]?.version.replace(/-MariaDB.*/, '') ?? '';
  return { label: `${name} ${version}`, port, url, ...running };
}
