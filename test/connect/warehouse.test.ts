/**
 * How rs-copy gets at PostgreSQL: what a libpq user already has (PG* variables, service file, password file), and
 * TLS. The server is one of its own, which wants passwords and has a certificate for `localhost`.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import t, { type Test } from 'tap';
import { AUTHORITY, SERVER, SERVER_KEY, STRANGER } from '../fixture/certificates.js';
import { giveTo, serverAccount } from '../support/account.js';
import { startPostgres } from '../support/postgres.js';
import { type Ended, run } from '../support/program.js';

t.setTimeout(300_000);
const PASSWORD = 'se:cr\\et';
const folder = mkdtempSync(join(tmpdir(), 'warehouse-'));
chmodSync(folder, 0o755);
const place = join(folder, 'server');
mkdirSync(place);
for (const [name, text] of [
  ['server.pem', SERVER],
  ['server.key', SERVER_KEY],
] as const) {
  writeFileSync(join(place, name), text, { mode: 0o600 });
  giveTo(join(place, name), serverAccount());
}
const server = await startPostgres({
  folder: place,
  say: () => {},
  options: ['ssl=on', `ssl_cert_file=${place}/server.pem`, `ssl_key_file=${place}/server.key`],
});
t.teardown(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});
const admin = new pg.Client({ connectionString: server.url });
await admin.connect();
await admin.query(`CREATE ROLE loader LOGIN PASSWORD '${PASSWORD}'`);
await admin.query('CREATE ROLE veiled LOGIN');
writeFileSync(
  join(place, 'data', 'pg_hba.conf'),
  'host all postgres 127.0.0.1/32 trust\nhost all loader 127.0.0.1/32 scram-sha-256\nhostssl all veiled 127.0.0.1/32 trust\n',
);
await admin.query('SELECT pg_reload_conf()');
await admin.end();

let homes = 0;
/** A home of its own for each try, with the files it should hold. */
function home(files: Readonly<Record<string, string>> = {}, mode = 0o600): string {
  const path = join(folder, `home${(homes += 1)}`);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(path, name, '..'), { recursive: true });
    writeFileSync(join(path, name), text, { mode });
  }
  return path;
}

/** Connects, asks the catalogue, and has nothing to check. */
function connect(env: Readonly<Record<string, string>>): Promise<Ended> {
  const end = '{"type":"end","status":"complete","run_id":"t","table":"a.b","objects":0,"rows":0,"bytes":0,"code":0}\n';
  return run('rs-copy', ['public.orders', '--check'], { env: { HOME: home(), ...env }, stdin: end });
}

const { port } = server;
const url = (user: string, more = ''): string => `postgres://${user}@127.0.0.1:${port}/postgres${more}`;
const entry = `127.0.0.1:${port}:*:loader:se\\:cr\\\\et\n`;

type Try = readonly [what: string, env: Readonly<Record<string, string>>, code: number, says?: RegExp];

async function tried(t: Test, tries: readonly Try[]): Promise<void> {
  const all = await Promise.all(tries.map(async (one) => ({ one, ended: await connect(one[1]) })));
  for (const { one, ended } of all) {
    const [what, , code, says] = one;
    t.equal(ended.code, code, `${what}\n${ended.stderr}`);
    if (says) t.match(ended.stderr, says, what);
    t.notMatch(ended.stderr, /se:cr|Deprecation/, 'neither a password nor a warning in its words');
  }
}

t.test('passwords: from the password file when only its owner can read it, or from the environment', async (t) => {
  const loader = { TABLEPIPE_WAREHOUSE_URL: url('loader') };
  await tried(t, [
    ['none at all', loader, 77, /wants a password.*\.pgpass/],
    ['~/.pgpass', { ...loader, HOME: home({ '.pgpass': `# ours\nother:5432:*:*:x\n${entry}` }) }, 0],
    ['~/.pgpass that others can read', { ...loader, HOME: home({ '.pgpass': entry }, 0o644) }, 77, /0600/],
    ['~/.pgpass for another port', { ...loader, HOME: home({ '.pgpass': entry.replace(`${port}`, '1') }) }, 77],
    ['PGPASSFILE', { ...loader, PGPASSFILE: join(home({ other: entry }), 'other') }, 0],
    ['PGPASSWORD', { ...loader, PGPASSWORD: PASSWORD }, 0],
    ['PGPASSWORD that is wrong', { ...loader, PGPASSWORD: 'wrong' }, 77, /password.*28P01/],
    ['in the URL', { TABLEPIPE_WAREHOUSE_URL: url(`loader:${encodeURIComponent(PASSWORD)}`) }, 0],
  ]);
});

t.test('PG* variables alone, and services: the URL comes first, then the service, then the environment', async (t) => {
  const variables = { PGHOST: '127.0.0.1', PGPORT: `${port}`, PGUSER: 'loader', PGDATABASE: 'postgres' };
  const service = `[other]\nport=1\n\n[dev]\nhost=127.0.0.1\nport=${port}\nuser=loader\ndbname=postgres\npassword=${PASSWORD}\n`;
  const HOME = home({ '.pg_service.conf': service });
  const PGSERVICEFILE = join(home({ services: service }), 'services');
  await tried(t, [
    ['PG*', { ...variables, PGPASSWORD: PASSWORD }, 0],
    ['PGDATABASE that is not there', { ...variables, PGPASSWORD: PASSWORD, PGDATABASE: 'absent' }, 78, /absent/],
    ['PGSERVICE in ~/.pg_service.conf', { HOME, PGSERVICE: 'dev' }, 0],
    ['PGSERVICE in PGSERVICEFILE', { PGSERVICEFILE, PGSERVICE: 'dev' }, 0],
    ['a service in the URL', { PGSERVICEFILE, TABLEPIPE_WAREHOUSE_URL: 'postgres://?service=dev' }, 0],
    ['the service before the environment', { PGSERVICEFILE, PGSERVICE: 'dev', PGPORT: '1', PGUSER: 'nobody' }, 0],
    [
      'the URL before the service',
      { PGSERVICEFILE, PGSERVICE: 'other', PGPASSWORD: PASSWORD, TABLEPIPE_WAREHOUSE_URL: url('loader') },
      0,
    ],
    ['a service that is not there', { PGSERVICEFILE, PGSERVICE: 'absent' }, 78, /absent is not defined.*services/],
  ]);
});

t.test('TLS: the certificate is believed only from an authority that is named', async (t) => {
  const authority = join(home({ ca: AUTHORITY }), 'ca');
  const stranger = join(home({ ca: STRANGER }), 'ca');
  const named = (mode: string, root: string, host = 'localhost'): Readonly<Record<string, string>> => ({
    TABLEPIPE_WAREHOUSE_URL: `postgres://veiled@${host}:${port}/postgres?sslmode=${mode}&sslrootcert=${root}`,
  });
  await tried(t, [
    [
      'disable where TLS is demanded',
      { TABLEPIPE_WAREHOUSE_URL: url('veiled', '?sslmode=disable') },
      77,
      /no encryption.*sslmode=require/,
    ],
    ['require without an authority', { TABLEPIPE_WAREHOUSE_URL: url('veiled', '?sslmode=require') }, 0],
    ['prefer', { TABLEPIPE_WAREHOUSE_URL: url('veiled') }, 0],
    ['verify-full', named('verify-full', authority), 0],
    ['verify-full under another name', named('verify-full', authority, '127.0.0.1'), 77, /Connect by a name/],
    ['verify-ca under another name', named('verify-ca', authority, '127.0.0.1'), 0],
    ['verify-full, another authority', named('verify-full', stranger), 77, /certificate is not trusted.*sslrootcert/],
    ['verify-ca, another authority', named('verify-ca', stranger), 77, /certificate/],
    ['require with another authority', named('require', stranger), 77, /certificate/],
    [
      'verify-full without an authority',
      { TABLEPIPE_WAREHOUSE_URL: url('veiled', '?sslmode=verify-full') },
      77,
      /certificate/,
    ],
    ['an authority that is no file', named('verify-full', '/nowhere/ca'), 66, /\/nowhere\/ca/],
    [
      'PGSSLMODE, and the authority where libpq looks for it',
      {
        TABLEPIPE_WAREHOUSE_URL: `postgres://veiled@localhost:${port}/postgres`,
        PGSSLMODE: 'verify-full',
        HOME: home({ '.postgresql/root.crt': AUTHORITY }),
      },
      0,
    ],
    ['a mode that is none', { TABLEPIPE_WAREHOUSE_URL: url('veiled', '?sslmode=always') }, 64, /verify-full/],
  ]);
});
